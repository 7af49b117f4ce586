"""Counters of several nodes of one deployment as those of one network.

Each node counts what happens on it: a link what the node's own pods send over it, a policy what
they begin. An interface counts on the node of its pod; another node adds what was denied or stopped
there. A connection's way is simulated on the node of whoever connected, which alone knows how the
other end sends: it reports that for a flow without a pod.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from vnet.statistics import (
    FlowStatistics,
    InterfaceStatistics,
    LinkStatistics,
    NetworkStatistics,
    PolicyStatistics,
    TrafficStatistics,
)

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from vnet.statistics import TcpSender

_T = TypeVar("_T", LinkStatistics, InterfaceStatistics, PolicyStatistics)
_MOST = frozenset(["queued_most_packets"])


def total(statistics: Sequence[NetworkStatistics]) -> NetworkStatistics:
    """Add up what the nodes of a deployment have counted; at least one."""
    return NetworkStatistics(
        time_s=max(one.time_s for one in statistics),
        links=_sums((one.links for one in statistics), lambda link: (link.link, link.backward)),
        interfaces=_sums((one.interfaces for one in statistics), lambda one: one.address),
        policies=_sums((one.policies for one in statistics), lambda policy: policy.policy),
        flows=_flows(flow for one in statistics for flow in one.flows),
        traffic=_traffic(pair for one in statistics for pair in one.traffic),
    )


def _sums(parts: Iterable[Iterable[_T]], key: Callable[[_T], Hashable]) -> tuple[_T, ...]:
    sums: dict[Hashable, _T] = {}
    for part in parts:
        for one in part:
            known = sums.get(key(one))
            sums[key(one)] = one if known is None else _sum(known, one)
    return tuple(sums.values())


def _sum(one: _T, other: _T) -> _T:
    changes = {
        field.name: _added(field.name, getattr(one, field.name), getattr(other, field.name))
        for field in fields(one)
    }
    return replace(one, **cast("dict[str, Any]", changes))


def _added(name: str, one: object, other: object) -> object:
    match one, other:
        case bool(), bool():
            return one
        case int(), int():
            return max(one, other) if name in _MOST else one + other
        case tuple(), tuple():
            return tuple(a + b for a, b in zip(one, other, strict=True))
        case _:
            return one or other


def _traffic(pairs: Iterable[TrafficStatistics]) -> tuple[TrafficStatistics, ...]:
    sums: dict[tuple[IPv4Address, IPv4Address], TrafficStatistics] = {}
    for pair in pairs:
        key = (pair.source, pair.target)
        known = sums.get(key)
        sums[key] = pair if known is None else replace(pair, bytes=known.bytes + pair.bytes)
    return tuple(sums.values())


def _flows(flows: Iterable[FlowStatistics]) -> tuple[FlowStatistics, ...]:
    known: list[FlowStatistics] = []
    senders: dict[Hashable, TcpSender] = {}
    for flow in flows:
        if flow.pod:
            known.append(flow)
        elif flow.sender is not None:
            senders[flow.local, flow.remote] = flow.sender
    return tuple(
        replace(flow, sender=senders[flow.local, flow.remote])
        if (flow.local, flow.remote) in senders
        else flow
        for flow in known
    )
