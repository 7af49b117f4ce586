"""The decision which pod runs on which node.

Owns its order and its measure. Pods that can stay, stay. Of the others, those come first that have
the least choice, then services that talk to each other one after the other, so that each finds the
ones before it. Each goes to the node that is best by what it is compared in this order:

1. labels over whose values replicas are to be spread;
2. no node gets much more than its share while others have room (not with `pack`);
3. few replicas of its service; 4. the pods that it talks to;
5. room (with `pack`: the lack of it); and the node's name, so that equals do not depend on luck.

Pods that were placed early knew little of those that came later, so all of them may then move a few
times. Where that leaves pods without a node, the largest come first instead. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from orchestrator.placement.affinity import Affinity
from orchestrator.placement.ledger import Ledger
from orchestrator.placement.rules import is_eligible, may_take, obstacles
from orchestrator.placement.values import Obstacle, Placed, Placement, Reason, Unplaced
from orchestrator.topology.placement_values import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import networkx as nx

    from orchestrator.placement.ledger import Account
    from orchestrator.placement.values import Demand, NodeOffer, ServiceRules, Traffic

FAIR = 1.2
"""How much more than its share a node may get for the sake of spreading and nearness."""
PASSES = 3
"""How often pods may move; a third time changes little."""

_Cost: TypeAlias = tuple[float, ...]


def place(
    demands: Iterable[Demand],
    offers: Iterable[NodeOffer],
    rules: Mapping[str, ServiceRules],
    traffic: Traffic,
    *,
    current: Mapping[str, str] | None = None,
) -> Placement:
    """Decide where every pod goes; the same arguments always give the same decision.

    Args:
        demands: The pods.
        offers: The nodes.
        rules: Of each service.
        traffic: Who talks to whom.
        current: Where pods are already.
    """
    pods, nodes = tuple(demands), [*offers]
    attempt = _Attempt(pods, nodes, rules, traffic)
    attempt.keep(current or {})
    attempt.fill(_by_nearness(attempt.waiting, rules, nodes, traffic))
    attempt.improve()
    if not attempt.waiting:
        return attempt.result()
    dense = _Attempt(pods, nodes, rules, traffic)
    dense.keep(current or {})
    dense.fill(sorted(dense.waiting, key=lambda pod: -dense.ledger.size(pod)))
    return min(attempt, dense, key=lambda each: len(each.waiting)).result()


def _by_nearness(
    pods: Sequence[Demand],
    rules: Mapping[str, ServiceRules],
    offers: Sequence[NodeOffer],
    traffic: Traffic,
) -> list[Demand]:
    """Those with the least choice first, then service after service along the traffic."""
    choice = {
        service: sum(is_eligible(offer, rules[service]) for offer in offers)
        for service in dict.fromkeys(pod.service for pod in pods)
    }
    rank = {service: number for number, service in enumerate(_walk(choice, traffic))}
    tight = {service for service, count in choice.items() if count < len(offers)}
    return sorted(
        pods,
        key=lambda pod: (
            choice[pod.service] if pod.service in tight else len(offers),
            rank[pod.service],
        ),
    )


def _walk(services: Iterable[str], traffic: Traffic) -> list[str]:
    """Services so that each comes soon after those that it talks to most."""
    import networkx as nx  # here: most deployments have one node, and it takes long to import

    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(services)
    graph.add_weighted_edges_from(
        (first, second, weight)
        for (first, second), weight in traffic.items()
        if first in graph and second in graph
    )
    order: list[str] = []
    for community in _communities(graph):
        left = dict.fromkeys(sorted(community))
        bonds = dict.fromkeys(left, 0.0)
        while left:
            service = max(left, key=lambda each: (bonds[each], graph.degree(each, weight="weight")))
            del left[service]
            order.append(service)
            for other, edge in graph[service].items():
                if other in left:
                    bonds[other] += edge["weight"]
    return order


def _communities(graph: nx.Graph[str]) -> list[list[str]]:
    """Services that talk more among themselves than to others; the most talkative ones first."""
    if not graph.number_of_edges():
        return [[*graph]]
    import networkx as nx

    found = nx.community.greedy_modularity_communities(graph, weight="weight")
    groups = [sorted(group) for group in found]
    volume = {group[0]: graph.subgraph(group).size(weight="weight") for group in groups}
    return sorted(groups, key=lambda group: (-volume[group[0]], group[0]))


class _Attempt:
    """One decision in the making."""

    def __init__(
        self,
        demands: tuple[Demand, ...],
        offers: list[NodeOffer],
        rules: Mapping[str, ServiceRules],
        traffic: Traffic,
    ) -> None:
        self.ledger = Ledger(offers, demands)
        self._demands = demands
        self._rules = rules
        self._affinity = Affinity(demands, traffic)
        self._places: dict[str, str] = {}
        self._reasons: dict[str, Reason] = {}
        accounts = [*self.ledger.accounts.values()]
        self._eligible = {
            service: [a for a in accounts if is_eligible(a.offer, rules[service])]
            for service in dict.fromkeys(demand.service for demand in demands)
        }

    @property
    def waiting(self) -> list[Demand]:
        """Pods without a node."""
        return [demand for demand in self._demands if demand.pod not in self._places]

    def keep(self, current: Mapping[str, str]) -> None:
        """Leave pods where they are, as far as that is allowed."""
        for demand in self._demands:
            account = self.ledger.accounts.get(current.get(demand.pod, ""))
            rules = self._rules[demand.service]
            if (
                account is not None
                and is_eligible(account.offer, rules)
                and may_take(account, demand, rules)
            ):
                self._put(demand, account, Reason.STAYS)

    def fill(self, demands: Iterable[Demand]) -> None:
        """Give pods nodes, one after the other."""
        for demand in demands:
            best = self._best(demand)
            if best is not None:
                self._put(demand, best, self._reason(demand, best))

    def improve(self) -> None:
        """Let pods move to where they would go, now that the others have their places."""
        free = [d for d in self._demands if self._reasons.get(d.pod) not in (None, Reason.STAYS)]
        for _ in range(PASSES):
            moved = False
            for demand in free:
                account = self.ledger.accounts[self._places[demand.pod]]
                self._take(demand, account)
                best = self._best(demand) or account
                moved |= best is not account
                self._put(demand, best, self._reason(demand, best))
            if not moved:
                return

    def result(self) -> Placement:
        """The decision, with reasons."""
        placed = [
            Placed(
                pod=demand.pod,
                service=demand.service,
                node=self._places[demand.pod],
                reason=self._reasons[demand.pod],
            )
            for demand in self._demands
            if demand.pod in self._places
        ]
        unplaced = [
            Unplaced(demand=demand, obstacles=tuple(self._obstacles(demand)))
            for demand in self.waiting
        ]
        return Placement(placed=tuple(placed), unplaced=tuple(unplaced))

    def _best(self, demand: Demand) -> Account | None:
        rules = self._rules[demand.service]
        possible = [
            account
            for account in self._eligible[demand.service]
            if not account.offer.cordoned and may_take(account, demand, rules)
        ]
        return min(possible, key=lambda account: self._cost(demand, account, rules), default=None)

    def _cost(self, demand: Demand, account: Account, rules: ServiceRules) -> _Cost:
        load = self.ledger.load_with(account, demand)
        if rules.strategy is Strategy.PACK:
            return (-self.ledger.load(account), account.order)
        # A node that is still empty takes a pod whatever its size.
        is_over = account.pods > 0 and load > FAIR
        return (
            *(self.ledger.in_domain(demand.service, key, account) for key in rules.spread_over),
            float(is_over),
            account.replicas[demand.service],
            -self._affinity.with_node(demand.service, account.offer.name),
            load,
            account.order,
        )

    def _reason(self, demand: Demand, account: Account) -> Reason:
        rules = self._rules[demand.service]
        if len(self._eligible[demand.service]) == 1:
            return Reason.ONLY
        if rules.strategy is Strategy.PACK:
            return Reason.PACKED
        if self._affinity.with_node(demand.service, account.offer.name):
            return Reason.NEAR
        return Reason.SPREAD if self._affinity.replicas[demand.service] > 1 else Reason.FREE

    def _put(self, demand: Demand, account: Account, reason: Reason) -> None:
        self.ledger.add(account, demand, self._rules[demand.service].spread_over)
        self._affinity.add(demand.service, account.offer.name, 1)
        self._places[demand.pod] = account.offer.name
        self._reasons[demand.pod] = reason

    def _take(self, demand: Demand, account: Account) -> None:
        self.ledger.remove(account, demand, self._rules[demand.service].spread_over)
        self._affinity.add(demand.service, account.offer.name, -1)

    def _obstacles(self, demand: Demand) -> Iterable[Obstacle]:
        rules = self._rules[demand.service]
        for account in self.ledger.accounts.values():
            texts = [*obstacles(account, demand, rules)]
            yield Obstacle(node=account.offer.name, text="; ".join(texts))
