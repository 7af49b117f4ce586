"""Machines, the node processes on them, and what becomes of those.

Owns the values that pass between an orchestrator and its supervisors; all of them survive pickling.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pod_node.credentials import NodeCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What a supervisor says of the machine that it is on."""

    hostname: str
    machine: str
    """The same for all that shares its loopback, until it is started again."""
    system: str
    architecture: str
    pods_most: int
    podnet: str
    """Version of podnet."""
    contract: str
    """Digest of the contracts between orchestrator and node."""
    python: str
    """Version of Python, without what is compatible."""
    engine: str
    """Version of wasmtime."""
    missing: tuple[str, ...] = ()
    """What podnet needs and the machine lacks."""
    addresses: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    """Ranges of ports that pods must not reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOrder:
    """What a supervisor needs to start a node."""

    deployment: str
    node: str
    host: str
    """Address of the machine on which the node listens."""
    credentials: NodeCredentials
    lease_s: float
    sealing_key: bytes
    """By which machines of the deployment know each other's parts of images."""
    volumes: tuple[str, ...] = ()
    """Folders that have to exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReady:
    """A node answers."""

    address: str
    """`host:port` of its node.v1."""
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEnd:
    """A node has ended."""

    cause: str
    last_lines: tuple[str, ...] = field(default=())

    @property
    def summary(self) -> str:
        """The same in one line."""
        said = f": {self.last_lines[-1]}" if self.last_lines else ""
        return f"{self.cause}{said}"
