from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.views.verdicts import Attempt, Verdict, judge
from vnet.configuration import (
    AddressBlock,
    Denial,
    Direction,
    Group,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    PortRange,
    Protocol,
)

ADDRESSES = [IPv4Address(f"10.0.0.{n}") for n in range(1, 7)]
GROUPS = tuple(
    Group(name=name, network="net", interfaces=tuple(ADDRESSES[2 * i : 2 * i + 2]))
    for i, name in enumerate("abc")
)
names = st.sampled_from("abc")
blocks = st.sampled_from(
    [
        AddressBlock(block=IPv4Network("10.0.0.0/30")),
        AddressBlock(block=IPv4Network("10.0.0.0/24"), excepted=(IPv4Network("10.0.0.2/31"),)),
    ]
)
port_ranges = st.sampled_from(
    [
        PortRange(first=80, last=80),
        PortRange(first=81, last=90),
        PortRange(first=53, last=53, protocol=Protocol.UDP),
    ]
)
rules = st.builds(
    PolicyRule,
    groups=st.lists(names, max_size=2).map(tuple),
    blocks=st.lists(blocks, max_size=1).map(tuple),
    ports=st.lists(port_ranges, max_size=2).map(tuple),
)
policies = st.builds(
    Policy,
    name=st.sampled_from(["one", "two", "three"]),
    groups=st.lists(names, min_size=1, max_size=2).map(tuple),
    direction=st.sampled_from(Direction),
    rules=st.lists(rules, max_size=2).map(tuple),
    denial=st.sampled_from(Denial),
)
attempts = st.builds(
    Attempt,
    source=st.sampled_from(ADDRESSES),
    target=st.sampled_from(ADDRESSES),
    port=st.sampled_from([53, 80, 85, 8000]),
    protocol=st.sampled_from(Protocol),
)


def group_of(address: IPv4Address) -> str:
    return next(group.name for group in GROUPS if address in group.interfaces)


def is_allowed(policy_list: list[Policy], attempt: Attempt, direction: Direction) -> bool:
    """NetworkPolicy's words: a selected side needs a rule, of any policy that selects it."""
    ends = {Direction.INGRESS: attempt.target, Direction.EGRESS: attempt.source}
    own = ends.pop(direction)
    (peer,) = ends.values()
    selecting = [p for p in policy_list if p.direction is direction and group_of(own) in p.groups]
    for rule in (rule for policy in selecting for rule in policy.rules):
        peers = [group_of(peer) == name for name in rule.groups]
        peers += [
            peer in block.block and all(peer not in hole for hole in block.excepted)
            for block in rule.blocks
        ]
        ports = [
            attempt.protocol is ports.protocol
            and attempt.port in range(ports.first, ports.last + 1)
            for ports in rule.ports
        ]
        if (any(peers) or not peers) and (any(ports) or not ports):
            return True
    return not selecting


@given(policy_list=st.lists(policies, max_size=4), attempt=attempts)
def test_both_sides_are_judged_as_network_policy_has_it(
    policy_list: list[Policy], attempt: Attempt
) -> None:
    configuration = NetworkConfiguration(groups=GROUPS, policies=tuple(policy_list))
    for verdict in judge(configuration, attempt):
        assert verdict.allowed is is_allowed(policy_list, attempt, verdict.direction)
        assert (verdict.denial is None) is verdict.allowed
        assert (verdict.rule is not None) is (verdict.allowed and verdict.policy is not None)


def test_the_first_of_two_policies_that_deny_says_how() -> None:
    policy_list = [
        Policy(name="other", groups=("b",), direction=Direction.INGRESS),
        Policy(name="quiet", groups=("a",), direction=Direction.INGRESS, denial=Denial.DROP),
        Policy(name="loud", groups=("a",), direction=Direction.INGRESS, denial=Denial.REJECT),
    ]
    configuration = NetworkConfiguration(groups=GROUPS, policies=tuple(policy_list))
    attempt = Attempt(source=ADDRESSES[2], target=ADDRESSES[0], port=80, protocol=Protocol.TCP)
    assert judge(configuration, attempt) == (
        Verdict(direction=Direction.EGRESS, allowed=True),
        Verdict(direction=Direction.INGRESS, allowed=False, policy="quiet", denial=Denial.DROP),
    )
