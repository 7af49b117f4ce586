"""How much of a link's rate each of the nodes that use it may have.

Every node simulates the ways of what its own pods begin, so that a link has as many queues as there
are nodes; what they send together is to be its rate. Nodes tell each other what they want of each
link, and each takes its own share of that: the claims are the same everywhere, and so is the rule.
After Raghavan et al., "Cloud Control with Distributed Rate Limiting" (2007), its flow proportional
share: max-min fairness with flows for weights.

Owns claims and shares. No link is touched here, and no clock looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vnet.trunk.frames import CLAIMS_MOST, FLOW, WHOLE, Claim, LinkWay

CLAIM_S = 1.0
"""How long a claim holds that is not made again: a node's loop may be late."""
INTERVAL_S = 0.05
"""Between claims. A share is right after two of them: one passes here, the other elsewhere."""
PEER_S = 0.003
"""Claims to one node take a few hundredths of that: telling many may take a few percent in all."""
SMOOTHING = 0.25
"""What the latest measurement counts against those before it."""
FORGOTTEN = 1e-3
"""What is left of a use that has ended does not count when it is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUse:
    """What a node has sent over a link of late."""

    way: LinkWay
    rate_bit_s: int
    """The link's, not this node's share of it."""
    sent_bytes: int
    flows: float
    """That sent something, or have it waiting."""
    is_busy: bool
    """It was never idle: more would have been sent if it had been allowed."""


@dataclass(slots=True)
class _Own:
    """This node's use of a link, smoothed."""

    demand: float
    """Of the rate."""
    flows: float
    is_busy: bool


@dataclass(slots=True)
class _Heard:
    """What another node claims."""

    claims: Mapping[LinkWay, Claim]
    at_s: float


def share(own: Claim | None, others: Iterable[Claim]) -> int:
    """Say what a node may have of a rate, in parts of `WHOLE`.

    Whoever wants less than its part by flows gets what it wants, and the others share the rest. The
    node itself counts as one that wants everything, and has one flow at least: what it does not use
    is others' by their claims, and a flow that begins need not wait.
    """
    weight = max(own.flows if own is not None else FLOW, FLOW)
    left, weights = float(WHOLE), float(weight)
    claims = sorted(others, key=lambda one: one.demand / one.flows)
    weights += sum(claim.flows for claim in claims)
    for claim in claims:
        if claim.demand >= WHOLE or claim.demand * weights >= left * claim.flows:
            break
        left -= claim.demand
        weights -= claim.flows
    return max(1, int(left * weight / weights))


def interval_s(peers: int) -> float:
    """Say how often that many nodes are told what this one wants."""
    return min(max(INTERVAL_S, peers * PEER_S), CLAIM_S / 3)


class Shares:
    """The shares of one node."""

    def __init__(self) -> None:
        self._own: dict[LinkWay, _Own] = {}
        self._heard: dict[str, _Heard] = {}
        self._observed_s: float | None = None

    def observe(self, uses: Sequence[LinkUse], now_s: float) -> None:
        """Take in what this node has sent since the last time."""
        before_s, self._observed_s = self._observed_s, now_s
        elapsed_s = now_s - before_s if before_s is not None else 0.0
        if elapsed_s <= 0.0:
            return
        used = {use.way: use for use in uses}
        for way in [*self._own, *(way for way in used if way not in self._own)]:
            self._smooth(way, used.get(way), elapsed_s)

    def _smooth(self, way: LinkWay, use: LinkUse | None, elapsed_s: float) -> None:
        demand = use.sent_bytes * 8 / elapsed_s / use.rate_bit_s if use is not None else 0.0
        flows = use.flows if use is not None else 0.0
        own = self._own.get(way)
        if own is None:
            own = self._own[way] = _Own(demand, flows, is_busy=False)
        own.demand += (demand - own.demand) * SMOOTHING
        own.flows += (flows - own.flows) * SMOOTHING
        own.is_busy = use is not None and use.is_busy
        if use is None and own.demand < FORGOTTEN:
            del self._own[way]

    def claims(self) -> tuple[Claim, ...]:
        """What this node wants, to be told to the others."""
        made = (self._claim(way) for way in self._own)
        return tuple(claim for claim in made if claim is not None)[:CLAIMS_MOST]

    def _claim(self, way: LinkWay) -> Claim | None:
        own = self._own.get(way)
        if own is None:
            return None
        demand = WHOLE if own.is_busy else min(int(own.demand * WHOLE), WHOLE)
        return Claim(way, demand, max(FLOW, round(own.flows * FLOW)))

    def hear(self, node: str, claims: Sequence[Claim], now_s: float) -> None:
        """Take in what another node wants, in the place of what it wanted before."""
        self._heard[node] = _Heard({claim.way: claim for claim in claims}, now_s)

    def keep(self, nodes: Collection[str], now_s: float) -> None:
        """Forget what is claimed by nodes that are gone, or have not said so for long."""
        self._heard = {
            node: heard
            for node, heard in self._heard.items()
            if node in nodes and now_s - heard.at_s < CLAIM_S
        }

    def limits(self) -> dict[LinkWay, int]:
        """What this node may have of each link that others want, too."""
        wanted: dict[LinkWay, list[Claim]] = {}
        for heard in self._heard.values():
            for way, claim in heard.claims.items():
                wanted.setdefault(way, []).append(claim)
        return {way: share(self._claim(way), claims) for way, claims in wanted.items()}
