"""Shares of a link: together they are its rate, by flows, whatever nodes come, go and want."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from vnet.trunk.frames import FLOW, WHOLE, Claim, LinkWay
from vnet.trunk.shares import CLAIM_S, INTERVAL_S, LinkUse, Shares, interval_s, share

WAY = LinkWay("left--right", False, 0)
OTHER = LinkWay("", False, 0x0A000001)
RATE_BIT_S = 10_000_000
STEP_S = INTERVAL_S
SETTLED = 60
"""Steps after which what was before does not matter any more."""

demands = st.integers(0, WHOLE)
weights = st.integers(FLOW, 64 * FLOW)
claims = st.builds(Claim, st.just(WAY), demands, weights)
many = st.lists(claims, min_size=1, max_size=8)


def greedy(flows: int) -> Claim:
    return Claim(WAY, WHOLE, flows)


def shares_of(all_claims: list[Claim]) -> list[int]:
    """What each node takes, when all know the same."""
    return [
        share(own, [*all_claims[:index], *all_claims[index + 1 :]])
        for index, own in enumerate(all_claims)
    ]


@given(many)
def test_what_is_used_is_never_more_than_the_rate(all_claims: list[Claim]) -> None:
    used = [
        min(claim.demand, taken)
        for claim, taken in zip(all_claims, shares_of(all_claims), strict=True)
    ]
    assert sum(used) <= WHOLE + len(used)


@given(many)
def test_nothing_is_left_over_while_somebody_wants_more(all_claims: list[Claim]) -> None:
    all_claims.append(greedy(FLOW))
    used = [
        min(claim.demand, taken)
        for claim, taken in zip(all_claims, shares_of(all_claims), strict=True)
    ]
    assert sum(used) >= WHOLE - len(used)


@given(many)
def test_nobody_has_less_than_its_part_by_flows(all_claims: list[Claim]) -> None:
    flows = sum(claim.flows for claim in all_claims)
    for claim, taken in zip(all_claims, shares_of(all_claims), strict=True):
        assert taken >= WHOLE * claim.flows // flows - 1


@given(st.lists(weights, min_size=1, max_size=8))
def test_who_wants_everything_gets_the_same_for_each_flow(flows: list[int]) -> None:
    for weight, taken in zip(flows, shares_of([greedy(one) for one in flows]), strict=True):
        assert abs(taken - WHOLE * weight / sum(flows)) <= 1


@given(many, st.integers(0, 7), demands)
def test_others_that_want_less_leave_no_less(
    all_claims: list[Claim], index: int, demand: int
) -> None:
    changed = list(all_claims)
    one = changed[index % len(changed)]
    changed[index % len(changed)] = one._replace(demand=min(one.demand, demand))
    assert share(None, changed) >= share(None, all_claims) - 1


def test_a_node_alone_has_everything() -> None:
    assert share(None, []) == WHOLE
    assert share(greedy(9 * FLOW), []) == WHOLE


def test_who_has_not_begun_has_the_part_of_one_flow() -> None:
    assert share(None, [greedy(3 * FLOW)]) == WHOLE // 4


@dataclass
class Node:
    """One node with one link: it sends what its flows want, as far as its share goes."""

    wanted: float
    """Of the rate."""
    flows: int
    shares: Shares = field(default_factory=Shares)
    sent: float = 0.0
    connected: bool = True

    def limit(self) -> float:
        return self.shares.limits().get(WAY, WHOLE) / WHOLE

    def send(self) -> list[LinkUse]:
        """Send for one step; the use of the link."""
        limit = self.limit()
        self.sent = min(self.wanted, limit)
        if not self.sent:
            return []
        return [
            LinkUse(
                way=WAY,
                rate_bit_s=RATE_BIT_S,
                sent_bytes=int(self.sent * RATE_BIT_S * STEP_S / 8),
                flows=self.flows,
                is_busy=self.wanted >= limit,
            )
        ]


@dataclass
class Cluster:
    """Nodes that hear each other one step later."""

    nodes: list[Node]
    now_s: float = 0.0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.now_s += STEP_S
            uses = [node.send() for node in self.nodes]
            for node, use in zip(self.nodes, uses, strict=True):
                node.shares.observe(use, self.now_s)
            for name, node in enumerate(self.nodes):
                told = node.shares.claims()
                for other in self.nodes:
                    if other is not node and node.connected:
                        other.shares.hear(str(name), told, self.now_s)
            for node in self.nodes:
                near = [str(name) for name, one in enumerate(self.nodes) if one.connected]
                node.shares.keep(near, self.now_s)

    @property
    def total(self) -> float:
        return sum(node.sent for node in self.nodes if node.connected)


loads = st.builds(Node, st.floats(0, 2), st.integers(1, 20))


@given(st.lists(loads, min_size=1, max_size=6))
def test_nodes_agree_on_the_rate_and_share_it_by_flows(nodes: list[Node]) -> None:
    cluster = Cluster(nodes)
    cluster.run(SETTLED)
    wanted = sum(node.wanted for node in nodes)
    assert cluster.total <= 1.02
    assert cluster.total >= 0.98 * min(1.0, wanted) - 0.002
    starved = [node for node in nodes if node.sent < node.wanted]
    if len(starved) > 1:
        each = [node.sent / node.flows for node in starved]
        assert max(each) <= 1.05 * min(each)


@given(st.lists(loads, min_size=2, max_size=6))
def test_a_lost_node_s_share_comes_back_at_once(nodes: list[Node]) -> None:
    cluster = Cluster([*nodes, Node(2.0, 5)])
    cluster.run(SETTLED)
    cluster.nodes[-1].connected = False
    cluster.nodes[-1].wanted = 0.0
    cluster.run(SETTLED)
    assert cluster.total >= 0.98 * min(1.0, sum(node.wanted for node in nodes)) - 0.002


@given(st.lists(loads, min_size=1, max_size=5), st.integers(1, 20))
def test_a_node_that_begins_sends_at_once_and_gets_its_part(nodes: list[Node], flows: int) -> None:
    newcomer = Node(0.0, flows)
    cluster = Cluster([*nodes, newcomer])
    cluster.run(SETTLED)
    newcomer.wanted = 2.0
    cluster.run(1)
    others = sum(node.flows for node in nodes)
    assert newcomer.sent >= 0.99 / (1 + others)
    cluster.run(SETTLED)
    assert newcomer.sent >= 0.95 * flows / (flows + others)


def test_a_claim_ends_when_it_is_not_made_again() -> None:
    shares = Shares()
    shares.hear("other", [greedy(FLOW)], 0.0)
    shares.keep(["other"], CLAIM_S / 2)
    assert shares.limits() == {WAY: WHOLE // 2}
    shares.keep(["other"], CLAIM_S)
    assert shares.limits() == {}


def test_each_link_is_shared_for_itself() -> None:
    shares = Shares()
    shares.hear("one", [greedy(FLOW)], 0.0)
    shares.hear("two", [greedy(2 * FLOW), Claim(OTHER, WHOLE // 4, FLOW)], 0.0)
    assert shares.limits() == {WAY: WHOLE // 4, OTHER: WHOLE // 4 * 3}
    shares.hear("two", [], 0.0)
    assert shares.limits() == {WAY: WHOLE // 2}


def test_a_use_that_has_ended_is_claimed_no_more() -> None:
    node = Node(0.5, 1)
    cluster = Cluster([node])
    cluster.run(SETTLED)
    (claim,) = node.shares.claims()
    assert abs(claim.demand - WHOLE / 2) <= 0.05 * WHOLE
    node.wanted = 0.0
    cluster.run(SETTLED)
    assert node.shares.claims() == ()


@given(st.integers(0, 1000))
def test_many_nodes_are_told_less_often_but_before_claims_end(peers: int) -> None:
    assert INTERVAL_S <= interval_s(peers) <= CLAIM_S / 3
    assert interval_s(peers) <= interval_s(peers + 1)
    assert interval_s(16) == INTERVAL_S
