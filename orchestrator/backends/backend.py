"""What the orchestrator asks of the place where a pod node runs.

Owns the protocol and the error that every backend raises for a node that ended by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from orchestrator.codec import NodeClient


class NodeDiedError(OrchestratorError):
    """A pod node ended by itself, and its pods with it."""

    def __init__(self, cause: str, log: str, last_lines: tuple[str, ...]) -> None:
        super().__init__(cause, log, last_lines)
        self.cause, self.log, self.last_lines = cause, log, last_lines

    def __str__(self) -> str:
        said = "".join(f"\n  | {line}" for line in self.last_lines) or " nothing"
        return (
            f"the pod node ended unexpectedly ({self.cause}), and all pods with it. "
            f"Its last words, from {self.log}:{said}"
        )

    @property
    def summary(self) -> str:
        """The same in one line."""
        said = f": {self.last_lines[-1]}" if self.last_lines else ""
        return f"node lost ({self.cause}){said}"


class Backend(Protocol):
    """A place for one pod node."""

    @property
    def pid(self) -> int:
        """The node's process id; 0 while there is none."""

    def connect(self) -> AbstractAsyncContextManager[NodeClient]:
        """Find the node that runs, or start one; it goes on when the block ends.

        Raises:
            NodeDiedError: it ended before it was ready.
        """

    async def death(self) -> NodeDiedError:
        """Wait for the node's end and say what is known about it."""

    async def end(self) -> None:
        """End the node and its pods in order, soon, and by force when that takes too long."""

    def kill(self) -> None:
        """End the node at once, without giving it time to clean up."""
