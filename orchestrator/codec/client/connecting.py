"""The way to a running deployment, which every client of it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from orchestrator.codec.calls import open_channel, translated
from orchestrator.codec.errors import DeploymentLostError, DeploymentRefusedError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from orchestrator.serving.access import RemoteAddress


class ConnectedClient:
    """One connection to one running deployment; who extends it asks something over it."""

    def __init__(self, where: Path | RemoteAddress) -> None:
        """Prepare to call; the connection comes with the first call.

        Raises:
            AccessError: a file with a token or a certificate cannot be used.
        """
        self._channel = open_channel(where)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._channel.close()


def errors() -> AbstractContextManager[None]:
    """Turn failed calls into errors of ours."""
    return translated(DeploymentRefusedError, DeploymentLostError)
