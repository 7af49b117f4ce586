"""Links, routes, faults and policies as messages.

Owns the checks of single values: ranges, enums, addresses. Whether a configuration makes sense as
a whole, its names for example, is for those to say who apply it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protos.vnet.v1 import addresses_pb2, faults_pb2, links_pb2, policies_pb2, routes_pb2
from protos.vnet.v1 import configuration_pb2 as pb
from vnet.codec import fields
from vnet.codec.egress import (
    egress_from_message,
    egress_to_message,
    guarded_from_message,
    guarded_to_message,
)
from vnet.codec.ports import ports_from_message, ports_to_message
from vnet.configuration import (
    HOPS_MOST,
    LEAST_MTU_BYTES,
    MOST_MTU_BYTES,
    AddressBlock,
    Denial,
    Direction,
    Distribution,
    Fault,
    FaultKind,
    GilbertElliott,
    Group,
    Hop,
    Link,
    LinkParameters,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    Route,
)
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address

DISTRIBUTIONS = {
    Distribution.UNIFORM: links_pb2.DISTRIBUTION_UNIFORM,
    Distribution.NORMAL: links_pb2.DISTRIBUTION_NORMAL,
    Distribution.PARETO: links_pb2.DISTRIBUTION_PARETO,
    Distribution.PARETONORMAL: links_pb2.DISTRIBUTION_PARETONORMAL,
}
FAULT_KINDS = {
    FaultKind.CUT: faults_pb2.FAULT_KIND_CUT,
    FaultKind.HOLD: faults_pb2.FAULT_KIND_HOLD,
}
_DIRECTIONS = {
    Direction.INGRESS: policies_pb2.DIRECTION_INGRESS,
    Direction.EGRESS: policies_pb2.DIRECTION_EGRESS,
}
_DENIALS = {
    Denial.REJECT: policies_pb2.DENIAL_REJECT,
    Denial.DROP: policies_pb2.DENIAL_DROP,
}


def configuration_to_message(configuration: NetworkConfiguration) -> pb.NetworkConfiguration:
    """Write a whole configuration."""
    return pb.NetworkConfiguration(
        seed=configuration.seed,
        groups=[_group_to_message(group) for group in configuration.groups],
        links=[link_to_message(link) for link in configuration.links],
        routes=[_route_to_message(route) for route in configuration.routes],
        faults=[_fault_to_message(fault) for fault in configuration.faults],
        policies=[_policy_to_message(policy) for policy in configuration.policies],
        gateway=configuration.gateway,
        egress=[egress_to_message(egress) for egress in configuration.egress],
        guarded=[guarded_to_message(guarded) for guarded in configuration.guarded],
    )


def configuration_from_message(message: pb.NetworkConfiguration) -> NetworkConfiguration:
    """Read a whole configuration.

    Raises:
        InvalidMessageError: a field holds what cannot be configured.
    """
    return NetworkConfiguration(
        seed=message.seed,
        groups=tuple(_group_from_message(group) for group in message.groups),
        links=tuple(link_from_message(link) for link in message.links),
        routes=tuple(_route_from_message(route) for route in message.routes),
        faults=tuple(_fault_from_message(fault) for fault in message.faults),
        policies=tuple(_policy_from_message(policy) for policy in message.policies),
        gateway=message.gateway,
        egress=tuple(egress_from_message(egress) for egress in message.egress),
        guarded=tuple(guarded_from_message(guarded) for guarded in message.guarded),
    )


def link_to_message(link: Link) -> links_pb2.Link:
    """Write a link."""
    return links_pb2.Link(
        name=link.name,
        forward=parameters_to_message(link.forward),
        backward=parameters_to_message(link.backward),
    )


def link_from_message(message: links_pb2.Link) -> Link:
    """Read a link.

    Raises:
        InvalidMessageError: a parameter is out of its range.
    """
    return Link(
        name=fields.filled("links.name", message.name),
        forward=parameters_from_message(message.forward),
        backward=parameters_from_message(message.backward),
    )


def parameters_to_message(parameters: LinkParameters) -> links_pb2.LinkParameters:
    """Write the parameters of one direction."""
    bursts = parameters.gilbert_elliott
    return links_pb2.LinkParameters(
        delay_ns=parameters.delay_ns,
        jitter_ns=parameters.jitter_ns,
        distribution=DISTRIBUTIONS[parameters.distribution],
        loss_fraction=parameters.loss,
        gilbert_elliott=None if bursts is None else bursts_to_message(bursts),
        rate_bit_s=parameters.rate_bit_s,
        queue_packets=parameters.queue_packets,
        mtu_bytes=parameters.mtu_bytes,
        duplicate_fraction=parameters.duplicate,
        reorder_fraction=parameters.reorder,
        corrupt_fraction=parameters.corrupt,
    )


def parameters_from_message(message: links_pb2.LinkParameters) -> LinkParameters:
    """Read the parameters of one direction.

    Raises:
        InvalidMessageError: one of them is out of its range.
    """
    bursts = message.gilbert_elliott if message.HasField("gilbert_elliott") else None
    return LinkParameters(
        delay_ns=message.delay_ns,
        jitter_ns=message.jitter_ns,
        distribution=fields.named("distribution", DISTRIBUTIONS, message.distribution),
        loss=fields.fraction("loss_fraction", message.loss_fraction),
        gilbert_elliott=None if bursts is None else bursts_from_message(bursts),
        rate_bit_s=message.rate_bit_s,
        queue_packets=message.queue_packets,
        mtu_bytes=fields.within("mtu_bytes", message.mtu_bytes, LEAST_MTU_BYTES, MOST_MTU_BYTES),
        duplicate=fields.fraction("duplicate_fraction", message.duplicate_fraction),
        reorder=fields.fraction("reorder_fraction", message.reorder_fraction),
        corrupt=fields.fraction("corrupt_fraction", message.corrupt_fraction),
    )


def bursts_to_message(bursts: GilbertElliott) -> links_pb2.GilbertElliott:
    """Write bursty loss."""
    return links_pb2.GilbertElliott(
        good_to_bad_fraction=bursts.good_to_bad,
        bad_to_good_fraction=bursts.bad_to_good,
        loss_in_bad_fraction=bursts.loss_in_bad,
        loss_in_good_fraction=bursts.loss_in_good,
    )


def bursts_from_message(message: links_pb2.GilbertElliott) -> GilbertElliott:
    """Read bursty loss.

    Raises:
        InvalidMessageError: a probability is none.
    """
    return GilbertElliott(
        good_to_bad=fields.fraction("good_to_bad_fraction", message.good_to_bad_fraction),
        bad_to_good=fields.fraction("bad_to_good_fraction", message.bad_to_good_fraction),
        loss_in_bad=fields.fraction("loss_in_bad_fraction", message.loss_in_bad_fraction),
        loss_in_good=fields.fraction("loss_in_good_fraction", message.loss_in_good_fraction),
    )


def _group_to_message(group: Group) -> routes_pb2.Group:
    return routes_pb2.Group(
        name=group.name,
        network=group.network,
        interfaces=_texts(group.interfaces),
        access=None if group.access is None else parameters_to_message(group.access),
    )


def _group_from_message(message: routes_pb2.Group) -> Group:
    return Group(
        name=fields.filled("groups.name", message.name),
        network=fields.filled("groups.network", message.network),
        interfaces=fields.addresses("groups.interfaces", message.interfaces),
        access=parameters_from_message(message.access) if message.HasField("access") else None,
    )


def _route_to_message(route: Route) -> routes_pb2.Route:
    hops = [routes_pb2.Hop(link=hop.link, backward=hop.backward) for hop in route.hops]
    return routes_pb2.Route(source=route.source, target=route.target, hops=hops)


def _route_from_message(message: routes_pb2.Route) -> Route:
    if len(message.hops) > HOPS_MOST:
        raise InvalidMessageError("routes.hops", f"are more than {HOPS_MOST}")
    return Route(
        source=fields.filled("routes.source", message.source),
        target=fields.filled("routes.target", message.target),
        hops=tuple(
            Hop(link=fields.filled("routes.hops.link", hop.link), backward=hop.backward)
            for hop in message.hops
        ),
    )


def _fault_to_message(fault: Fault) -> faults_pb2.Fault:
    return faults_pb2.Fault(
        name=fault.name,
        kind=FAULT_KINDS[fault.kind],
        sources=_texts(fault.sources),
        targets=_texts(fault.targets),
    )


def _fault_from_message(message: faults_pb2.Fault) -> Fault:
    return Fault(
        name=fields.filled("faults.name", message.name),
        kind=fields.named("faults.kind", FAULT_KINDS, message.kind),
        sources=fields.addresses("faults.sources", message.sources),
        targets=fields.addresses("faults.targets", message.targets),
    )


def _policy_to_message(policy: Policy) -> policies_pb2.Policy:
    return policies_pb2.Policy(
        name=policy.name,
        groups=policy.groups,
        direction=_DIRECTIONS[policy.direction],
        rules=[_rule_to_message(rule) for rule in policy.rules],
        denial=_DENIALS[policy.denial],
    )


def _policy_from_message(message: policies_pb2.Policy) -> Policy:
    return Policy(
        name=fields.filled("policies.name", message.name),
        groups=tuple(message.groups),
        direction=fields.named("policies.direction", _DIRECTIONS, message.direction),
        rules=tuple(_rule_from_message(rule) for rule in message.rules),
        denial=fields.named("policies.denial", _DENIALS, message.denial),
    )


def _rule_to_message(rule: PolicyRule) -> policies_pb2.PolicyRule:
    return policies_pb2.PolicyRule(
        groups=rule.groups,
        blocks=[
            addresses_pb2.AddressBlock(
                block_cidr=str(block.block), excepted_cidrs=[str(hole) for hole in block.excepted]
            )
            for block in rule.blocks
        ],
        ports=[ports_to_message(ports) for ports in rule.ports],
    )


def _rule_from_message(message: policies_pb2.PolicyRule) -> PolicyRule:
    return PolicyRule(
        groups=tuple(message.groups),
        blocks=tuple(_block_from_message(block) for block in message.blocks),
        ports=tuple(ports_from_message(ports) for ports in message.ports),
    )


def _block_from_message(message: addresses_pb2.AddressBlock) -> AddressBlock:
    return AddressBlock(
        block=fields.network("block_cidr", message.block_cidr),
        excepted=tuple(fields.network("excepted_cidrs", text) for text in message.excepted_cidrs),
    )


def _texts(addresses: Iterable[IPv4Address]) -> list[str]:
    return [str(address) for address in addresses]
