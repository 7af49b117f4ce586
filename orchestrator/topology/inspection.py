"""Looks names up in a model and collects what is wrong with them, with places.

Owns what the rules about links, policies and schedules have in common: who is meant by a name,
which network two members share, and silence about parts that were broken already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.topology.members import Roster, UnknownMemberError
from orchestrator.topology.problems import Path, path_text, quoted, suggestion
from orchestrator.topology.validation import Finding

if TYPE_CHECKING:
    from orchestrator.topology.members import Member
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.validation import Validated


class Inspection:
    """One look at a model."""

    def __init__(self, topology: Topology, validated: Validated) -> None:
        self.topology = topology
        self.roster = Roster(topology)
        self.findings: list[Finding] = []
        self._validated = validated

    @property
    def is_sound(self) -> bool:
        """Whether nothing is known to be wrong, here or in what stages before have found."""
        return not self.findings and not self._validated.findings

    def report(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note something that is wrong."""
        self.findings.append(Finding(path, message, at_key))

    def place(self, path: Path) -> str:
        """Where a part of the model stands in the file, in words."""
        return path_text(self._validated.original(path))

    def is_damaged(self, *path: str | int) -> bool:
        """Whether a part of the model, one around it or one in it is not what the file says."""
        return self._validated.is_damaged_within(*self._validated.original(path))

    def member(self, path: Path, name: str) -> Member | None:
        """The service or pod of this name; None is reported."""
        try:
            return self.roster.find(name)
        except UnknownMemberError as error:
            services = (name, name.rpartition("-")[0])
            if not any(self._validated.is_damaged_within("services", s) for s in services):
                self.report(path, str(error))
            return None

    def service(self, path: Path, name: str) -> bool:
        """Whether there is a service of this name; if not, that is reported."""
        known = name in self.topology.services
        if not known and not self._validated.is_damaged("services", name):
            hint = suggestion(name, self.topology.services, what="services")
            self.report(path, f"unknown service {quoted(name)}; {hint}")
        return known

    def network(self, path: Path, name: str) -> bool:
        """Whether there is a network of this name; if not, that is reported."""
        names = self.topology.network_names
        known = name in names
        if not known and not self._validated.is_damaged("networks", name):
            self.report(
                path, f"unknown network {quoted(name)}; {suggestion(name, names, what='networks')}"
            )
        return known

    def ends(self, path: Path, names: tuple[str, ...]) -> tuple[Member, Member] | None:
        """Two members that a link may join; None is reported."""
        first, second = (self.member((*path, index), name) for index, name in enumerate(names))
        if first is None or second is None:
            return None
        if first.overlaps(second):
            self.report(
                path, f"both ends are {quoted(names[0])}; name two different pods or services"
            )
            return None
        return first, second

    def common_network(
        self, path: Path, key: str, ends: tuple[Member, Member], wanted: str | None
    ) -> str | None:
        """The network that joins two members; None is reported.

        Args:
            path: The section that names them.
            key: Where in it they are named.
            ends: The members.
            wanted: What its key "network" says.
        """
        shared = self.roster.shared_networks(*ends)
        both = f"{quoted(str(ends[0]))} and {quoted(str(ends[1]))}"
        if wanted is not None:
            if not self.network((*path, "network"), wanted):
                return None
            if wanted not in shared:
                self.report((*path, "network"), f"{both} are not both on network {quoted(wanted)}")
                return None
            return wanted
        if len(shared) > 1:
            message = f"{both} share several networks ({', '.join(shared)}); say which: "
            self.report((*path, key), f'{message}"network: {shared[0]}"')
            return None
        if not shared and not any(self.is_damaged("services", end.service) for end in ends):
            message = f"{both} share no network, so there is nothing between them to shape"
            self.report((*path, key), f"{message}; put both on one network")
        return shared[0] if shared else None
