"""The steps between two configurations lead there, and touch nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.configurations import configurations, fault, group, linked
from vnet.configuration import (
    Fault,
    FaultKind,
    Group,
    Link,
    LinkParameters,
    NetworkConfiguration,
    Route,
)
from vnet.difference import Difference, difference

calm = settings(deadline=None)
SLOW = LinkParameters(delay_ns=1_000_000)


@dataclass
class Tables:
    """The kernel's rules: an interface is in one group, and a fault knows only those in groups."""

    seed: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    marks: dict[str, set[IPv4Address]] = field(default_factory=dict)

    def take(self, steps: Difference) -> None:
        self.seed = self.seed if steps.seed is None else steps.seed
        for name in steps.gone_faults:
            del self.faults[name], self.marks[name]
        for ends in steps.gone_routes:
            del self.routes[ends]
        for name in steps.gone_groups:
            assert all(name not in ends for ends in self.routes), "a route leads nowhere"
            self.leave(self.groups.pop(name).interfaces)
        for name in steps.gone_links:
            del self.links[name]
        for changed in (*steps.shrunk_groups, *steps.groups):
            self.set_group(changed)
        self.links |= {link.name: link for link in steps.links}
        for route in steps.routes:
            assert {route.source, route.target} <= self.groups.keys()
            assert {hop.link for hop in route.hops} <= self.links.keys()
            self.routes[route.source, route.target] = route
        for one in steps.faults:
            self.faults[one.name] = one
            self.marks[one.name] = self.members() & {*one.sources, *one.targets}

    def members(self) -> set[IPv4Address]:
        return {address for known in self.groups.values() for address in known.interfaces}

    def leave(self, addresses: tuple[IPv4Address, ...]) -> None:
        for marked in self.marks.values():
            marked.difference_update(addresses)

    def set_group(self, changed: Group) -> None:
        old = self.groups.pop(changed.name, None)
        if old is not None:
            assert old.network == changed.network, "a group moves to another network"
            self.leave(tuple(set(old.interfaces) - set(changed.interfaces)))
        assert not self.members() & set(changed.interfaces), "an interface is in two groups"
        self.groups[changed.name] = changed


@calm
@given(st.lists(configurations(), max_size=4))
def test_the_steps_lead_from_each_configuration_to_the_next(
    stages: list[NetworkConfiguration],
) -> None:
    tables, before = Tables(), NetworkConfiguration()
    for after in stages:
        tables.take(difference(before, after))
        assert tables.seed == after.seed
        assert tables.groups == {known.name: known for known in after.groups}
        assert tables.links == {link.name: link for link in after.links}
        assert tables.routes == {(route.source, route.target): route for route in after.routes}
        assert tables.faults == {one.name: one for one in after.faults}
        for one in after.faults:
            marked = tables.members() & {*one.sources, *one.targets}
            assert tables.marks[one.name] == marked
        before = after


@calm
@given(configurations())
def test_nothing_leads_from_a_configuration_to_itself(configuration: NetworkConfiguration) -> None:
    assert difference(configuration, configuration).is_empty


def test_a_changed_link_is_the_only_step() -> None:
    before = linked("10.10.0.2", "10.10.0.3", SLOW)
    after = linked("10.10.0.2", "10.10.0.3", replace(SLOW, loss=0.5))
    assert difference(before, after) == Difference(links=after.links)


def test_an_interface_leaves_its_group_before_another_has_it() -> None:
    before = NetworkConfiguration(
        groups=(group("a@front", "10.10.0.2"), group("b@front", "10.10.0.3"))
    )
    after = NetworkConfiguration(
        groups=(group("a@front", "10.10.0.3"), group("b@front", "10.10.0.2"))
    )
    steps = difference(before, after)
    assert [len(shrunk.interfaces) for shrunk in steps.shrunk_groups] == [0, 0]
    assert steps.groups == after.groups


def test_faults_are_set_again_when_an_interface_joins() -> None:
    cut = fault(FaultKind.CUT, "10.10.0.2", "10.10.0.3")
    before = NetworkConfiguration(groups=(group("a@front", "10.10.0.2"),), faults=(cut,))
    after = NetworkConfiguration(
        groups=(group("a@front", "10.10.0.2", "10.10.0.3"),), faults=(cut,)
    )
    assert difference(before, after) == Difference(groups=after.groups, faults=(cut,))
