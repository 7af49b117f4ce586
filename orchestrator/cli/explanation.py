"""Why one pod may connect to another, or may not: the way, its links, faults and policies.

Owns the answer of `podnet inspect --connect`. Follows what the node has been told, as it would:
interfaces on a common network first, then a route. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.cli.counters import rule_text
from orchestrator.cli.selection import Selection
from orchestrator.errors import OrchestratorError
from orchestrator.topology.link_text import summary
from orchestrator.topology.problems import quoted
from orchestrator.views.verdicts import Attempt, Verdict, judge
from vnet.configuration import Denial, Direction, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address

    from orchestrator.views.deployment import DeploymentView
    from orchestrator.views.phases import PodView
    from vnet.configuration import Group, Hop, NetworkConfiguration, Protocol


class NobodyError(OrchestratorError):
    """A service without pods cannot connect or be connected to."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"service {quoted(self.name)} has no pods; give it replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whether a connection is allowed, and all that decides it."""

    source: str
    target: str
    attempt: Attempt | None
    """None when no network leads from one to the other."""
    allowed: bool
    verdicts: tuple[Verdict, ...] = ()
    text: str


@dataclass(frozen=True, slots=True)
class _Way:
    source: IPv4Address
    target: IPv4Address
    hops: tuple[Hop, ...]
    network: str
    """On which both are; empty for a way over routers."""


def explain(
    view: DeploymentView, source: str, target: str, port: int, protocol: Protocol
) -> Explanation:
    """Explain what would become of a connection.

    Raises:
        UnknownNameError: there is nobody of a name.
        NobodyError: a service has no pods.
    """
    first, second = _pod(view, source), _pod(view, target)
    head = f"{first.spec.name} to {second.spec.name}, {protocol.value} port {port}"
    way = _way(view.configuration, first, second)
    if way is None:
        text = f"{head}: no network and no router leads there (ENETUNREACH)\n"
        return Explanation(
            source=first.spec.name, target=second.spec.name, attempt=None, allowed=False, text=text
        )
    attempt = Attempt(source=way.source, target=way.target, port=port, protocol=protocol)
    verdicts = judge(view.configuration, attempt)
    allowed = all(verdict.allowed for verdict in verdicts)
    lines = [f"{head}: {_outcome(verdicts)}"]
    lines += [f"  way:     {_way_text(view.configuration, way)}"]
    lines += [f"  {_verdict_text(view.configuration, verdict)}" for verdict in verdicts]
    lines += [f"  fault:   {text}" for text in _faults(view.configuration, way)]
    return Explanation(
        source=first.spec.name,
        target=second.spec.name,
        attempt=attempt,
        allowed=allowed,
        verdicts=verdicts,
        text="\n".join(lines) + "\n",
    )


def _pod(view: DeploymentView, name: str) -> PodView:
    pods = Selection(view, (), name).pods
    if not pods:
        raise NobodyError(name)
    return pods[0]


def _way(configuration: NetworkConfiguration, first: PodView, second: PodView) -> _Way | None:
    groups = {address: group for group in configuration.groups for address in group.interfaces}
    routes = {(route.source, route.target): route.hops for route in configuration.routes}
    pairs = [
        (own.address, peer.address, own.network if own.network == peer.network else "")
        for own in first.spec.interfaces
        for peer in second.spec.interfaces
    ]
    for source, target, network in sorted(pairs, key=lambda pair: not pair[2]):
        hops = routes.get((_name(groups, source), _name(groups, target)))
        if network or hops is not None:
            return _Way(source, target, hops or (), network)
    return None


def _name(groups: dict[IPv4Address, Group], address: IPv4Address) -> str:
    group = groups.get(address)
    return "" if group is None else group.name


def _outcome(verdicts: tuple[Verdict, ...]) -> str:
    for verdict in verdicts:
        if verdict.denial is Denial.REJECT:
            return "refused"
        if verdict.denial is Denial.DROP:
            return "dropped, the client waits until it gives up"
    return "allowed"


def _way_text(configuration: NetworkConfiguration, way: _Way) -> str:
    where = f"on network {way.network}" if way.network else "over routers"
    text = f"{way.source} to {way.target} {where}"
    links = {link.name: link for link in configuration.links}
    for hop in way.hops:
        link = links.get(hop.link)
        if link is not None:
            parameters = link.backward if hop.backward else link.forward
            text += f", over {link.name} ({summary(parameters) or 'perfect'})"
    return text


def _verdict_text(configuration: NetworkConfiguration, verdict: Verdict) -> str:
    side = f"{verdict.direction.value}:".ljust(8)
    whose = "the source" if verdict.direction is Direction.EGRESS else "the target"
    if verdict.policy is None:
        return f"{side} allowed, no policy isolates {whose}"
    if verdict.rule is None:
        return f"{side} denied by {verdict.policy}, of whose rules none allows it"
    policy = next(policy for policy in configuration.policies if policy.name == verdict.policy)
    rule = rule_text(policy.rules[verdict.rule - 1])
    return f"{side} allowed by {verdict.policy}, rule {verdict.rule}: {rule}"


def _faults(configuration: NetworkConfiguration, way: _Way) -> Iterator[str]:
    verbs = {FaultKind.CUT: "loses", FaultKind.HOLD: "holds"}
    for fault in configuration.faults:
        for what, source, target in (
            ("what is sent", way.source, way.target),
            ("the answers", way.target, way.source),
        ):
            if source in fault.sources and target in fault.targets:
                name = fault.name.partition(":")[0]  # the node has one for each direction
                yield f"{name} {verbs[fault.kind]} {what}"
