"""How gRPC waits for its sockets in this process.

gRPC for Python has two ways: its event engine has threads of its own that read sockets and pass on
what they read; otherwise the thread that waits for completed calls reads the sockets itself. The
second spares each message a change of threads: measured on two cores, a message goes there and back
in two thirds of the time. gRPC reads the setting when it is loaded, so this has to be said before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

EXPERIMENTS = "GRPC_EXPERIMENTS"
"""gRPC's own variable; what somebody has set it to holds."""
_WITHOUT_EVENT_ENGINE = "-event_engine_client,-event_engine_listener"


def choose_polling(environment: MutableMapping[str, str]) -> None:
    """Have gRPC wait in the shorter way.

    Preconditions: gRPC has not been imported in this process.
    """
    environment.setdefault(EXPERIMENTS, _WITHOUT_EVENT_ENGINE)
