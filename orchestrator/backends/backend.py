"""What the orchestrator asks of the place where a pod node runs.

Owns the protocol and the error that every backend raises for a node that ended by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from contextlib import AbstractAsyncContextManager

    from orchestrator.backends.nodes import Nodes
    from orchestrator.cluster.views import NodeState, NodeView
    from orchestrator.desired.plan import Plan


class BackendError(OrchestratorError):
    """There is no node, and there will be none soon."""

    @property
    def summary(self) -> str:
        """The same in one line."""
        return str(self)


class NodeDiedError(BackendError):
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


class UnknownNodeError(OrchestratorError):
    """There is no node of this name."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f'there is no node "{self.name}"; nodes: {self.known}'


class OneNodeError(OrchestratorError):
    """A deployment has one node, and somebody means one of several."""

    def __str__(self) -> str:
        return (
            "this deployment has one node, on this machine; there are several with "
            '"podnet up FILE --ray"'
        )


class Backend(Protocol):
    """Where the pods of one deployment run: on one node, or on several."""

    @property
    def pid(self) -> int:
        """The node's process id; 0 while there is none."""

    def connect(self) -> AbstractAsyncContextManager[Nodes]:
        """Find the nodes that run, or start some; they go on when the block ends.

        Raises:
            NodeDiedError: it ended before it was ready.
        """

    async def arrange(self, plan: Plan) -> None:
        """Decide where the pods of a plan run, before any of them is booted."""

    async def death(self) -> NodeDiedError:
        """Wait for the node's end and say what is known about it."""

    async def end(self) -> None:
        """End the node and its pods in order, soon, and by force when that takes too long."""

    def kill(self) -> None:
        """End the node at once, without giving it time to clean up."""

    def owner(self, pod: str) -> str:
        """The name of a pod's node; empty where there is only one."""

    def nodes(self) -> list[NodeView]:
        """The nodes; none where there is only one."""

    def cordon(self, name: str, *, cordoned: bool) -> None:
        """Have a node take no more pods, or take them again.

        Raises:
            OrchestratorError: there is no such node.
        """

    def mark(self, marks: Mapping[str, NodeState]) -> None:
        """Have nodes be what they were before another orchestrator ended, once they are there."""

    def drain(self, name: str) -> AsyncGenerator[tuple[str, str], None]:
        """Move all pods of a node elsewhere; name each that has left, and its new node.

        Raises:
            OrchestratorError: there is no such node, or no room elsewhere.
        """


class OneNode:
    """What a backend with one node says of several."""

    async def arrange(self, plan: Plan) -> None:
        """Decide nothing: all pods run here."""

    def owner(self, pod: str) -> str:
        """Name no node: there is only one."""
        return ""

    def nodes(self) -> list[NodeView]:
        """Name no node: there is only one."""
        return []

    def cordon(self, name: str, *, cordoned: bool) -> None:
        """Refuse: there is only one.

        Raises:
            OneNodeError: always.
        """
        raise OneNodeError

    def mark(self, marks: Mapping[str, NodeState]) -> None:
        """Mark no node: nobody can have marked it before."""

    def drain(self, name: str) -> AsyncGenerator[tuple[str, str], None]:
        """Refuse: there is only one.

        Raises:
            OneNodeError: always.
        """
        raise OneNodeError
