"""What a node hears from the process that started it, by its standard input: leases, and the end.

Owns the thread that listens. Once the input has ended, the process has a moment to end in order,
and then ends by force.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from pod_node.lease import Lease, parse_lease_line

ENDING_S = 3.0
"""A process whose parent is gone and that has not ended by now is stuck and ends by force."""
_CHUNK_BYTES = 4096


def hear_parent(on_end: Callable[[], object]) -> None:
    """Listen on a thread; `on_end` is called there when the input has ended."""
    lease = Lease()

    def listen() -> None:
        rest = b""
        while chunk := os.read(0, _CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_CHUNK_BYTES:]
            for line in lines:
                if (until := parse_lease_line(line)) is not None:
                    lease.extend(until)
        on_end()
        time.sleep(ENDING_S)
        os._exit(1)

    threading.Thread(target=listen, name="parent", daemon=True).start()
