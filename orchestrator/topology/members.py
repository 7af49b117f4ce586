"""Who takes part in a topology, by the names that links, faults and schedules use.

Owns the value for "a service, or one of its replicas", and the search for the member that a name
means. Which addresses a member has is the plan's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.topology.problems import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.topology.schema import Topology

_REPLICA = re.compile(r"(.+)-([1-9][0-9]{0,8})")


class UnknownMemberError(OrchestratorError):
    """Nobody in the topology has this name."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(name, hint)
        self.name, self.hint = name, hint

    def __str__(self) -> str:
        return f"unknown service or pod {quoted(self.name)}; {self.hint}"


@dataclass(frozen=True, slots=True)
class Member:
    """A service with all of its replicas, or one replica."""

    service: str
    replica: int | None = None
    """Counts from 1; None for all."""

    def __str__(self) -> str:
        return self.service if self.replica is None else pod_name(self.service, self.replica)

    def covers(self, other: Member) -> bool:
        """Whether every pod of the other one belongs to this one too."""
        return self.service == other.service and self.replica in (None, other.replica)

    def overlaps(self, other: Member) -> bool:
        """Whether the two have a pod in common."""
        return self.covers(other) or other.covers(self)


def pod_name(service: str, replica: int) -> str:
    """The name of a service's replica, which counts from 1."""
    return f"{service}-{replica}"


class Roster:
    """The members of a topology."""

    def __init__(self, topology: Topology) -> None:
        self._services = topology.services

    def find(self, name: str) -> Member:
        """Find the member that a name means.

        Raises:
            UnknownMemberError: There is none; the text says which name comes near.
        """
        if name in self._services:
            return Member(name)
        match = _REPLICA.fullmatch(name)
        service = self._services.get(match[1]) if match else None
        if match is None or service is None:
            raise UnknownMemberError(name, suggestion(name, self._services, what="services"))
        replicas = service.deploy.replicas
        if int(match[2]) > replicas:
            has = "has no replicas" if not replicas else f"has replicas 1 to {replicas}"
            raise UnknownMemberError(name, f"service {quoted(match[1])} {has}")
        return Member(match[1], int(match[2]))

    def find_service(self, name: str) -> str:
        """Check that a name is a service's.

        Raises:
            UnknownMemberError: There is no such service; the text says which name comes near.
        """
        if name not in self._services:
            raise UnknownMemberError(name, suggestion(name, self._services, what="services"))
        return name

    def pods(self, members: Iterable[Member]) -> tuple[str, ...]:
        """The names of all pods of these members, each once."""
        names: dict[str, None] = {}
        for member in members:
            count = self._services[member.service].deploy.replicas
            replicas = range(1, count + 1) if member.replica is None else (member.replica,)
            names.update((pod_name(member.service, replica), None) for replica in replicas)
        return tuple(names)

    def shared_networks(self, first: Member, second: Member) -> tuple[str, ...]:
        """The networks that both members are on."""
        others = self._services[second.service].attached
        return tuple(name for name in self._services[first.service].attached if name in others)
