"""Whether a network configuration makes sense as a whole.

Owns what no single value shows: names that must exist, addresses that must be on their networks,
limits on how many. A node asks before it changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vnet.configuration import FAULTS_MOST, HOPS_MOST, LEAST_MTU_BYTES, MOST_MTU_BYTES
from vnet.errors import ConfigurationError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network

    from vnet.configuration import Fault, Group, Link, LinkParameters, NetworkConfiguration, Route

MOST_DELAY_NS = 3_600_000_000_000
"""An hour, of the mean and of the jitter; as `LINK_MOST_DELAY` of the kernel."""
MOST_RATE_BIT_S = 1_000_000_000_000
"""As `LINK_MOST_RATE` of the kernel."""
MOST_QUEUE_PACKETS = 2**32 - 1
MOST_MEMBERS = 65_536
"""Interfaces of a group, and on a side of a fault."""
MOST_SEED = 2**64 - 1


def check(configuration: NetworkConfiguration, networks: Mapping[str, IPv4Network]) -> None:
    """Insist that a configuration can be applied.

    Args:
        configuration: what is to be applied.
        networks: the subnets of the networks that exist.

    Raises:
        ConfigurationError: it cannot; the error says what and why.
    """
    if not 0 <= configuration.seed <= MOST_SEED:
        raise ConfigurationError("seed", f"is {configuration.seed}, not 0 to 2**64 - 1")
    _check_unique("group", (group.name for group in configuration.groups))
    _check_unique("link", (link.name for link in configuration.links))
    _check_unique("fault", (fault.name for fault in configuration.faults))
    _check_groups(configuration.groups, networks)
    for link in configuration.links:
        _check_link(link)
    _check_routes(configuration)
    _check_faults(configuration.faults)


def _check_unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigurationError(f'{kind} "{name}"', "is there twice; give each its own name")
        seen.add(name)


def _check_groups(groups: Iterable[Group], networks: Mapping[str, IPv4Network]) -> None:
    members: dict[IPv4Address, str] = {}
    for group in groups:
        place = f'group "{group.name}"'
        subnet = networks.get(group.network)
        if subnet is None:
            raise ConfigurationError(
                place, f'is on network "{group.network}", which does not exist; attach it first'
            )
        if len(group.interfaces) > MOST_MEMBERS:
            raise ConfigurationError(place, f"has more than {MOST_MEMBERS} interfaces; divide it")
        for address in group.interfaces:
            if address not in subnet:
                raise ConfigurationError(place, f"has {address}, which is not in {subnet}")
            if address in members:
                raise ConfigurationError(
                    place, f'has {address}, as has group "{members[address]}"; give it to one'
                )
            members[address] = group.name
        if group.access is not None:
            _check_parameters(place, group.access)


def _check_link(link: Link) -> None:
    _check_parameters(f'link "{link.name}", forward', link.forward)
    _check_parameters(f'link "{link.name}", backward', link.backward)


def _check_parameters(place: str, parameters: LinkParameters) -> None:
    least_queue = 1 if parameters.rate_bit_s else 0
    for name, value, least, most in (
        ("delay_ns", parameters.delay_ns, 0, MOST_DELAY_NS),
        ("jitter_ns", parameters.jitter_ns, 0, MOST_DELAY_NS),
        ("rate_bit_s", parameters.rate_bit_s, 0, MOST_RATE_BIT_S),
        ("queue_packets", parameters.queue_packets, least_queue, MOST_QUEUE_PACKETS),
        ("mtu_bytes", parameters.mtu_bytes, LEAST_MTU_BYTES, MOST_MTU_BYTES),
    ):
        if not least <= value <= most:
            raise ConfigurationError(place, f"has a {name} of {value}, not {least} to {most}")
    for name, share in _fractions(parameters):
        if not 0.0 <= share <= 1.0:
            raise ConfigurationError(place, f"has a {name} of {share}, not 0 to 1")


def _fractions(parameters: LinkParameters) -> list[tuple[str, float]]:
    names = ["loss", "duplicate", "reorder", "corrupt"]
    fractions: list[tuple[str, float]] = [(name, getattr(parameters, name)) for name in names]
    bursts = parameters.gilbert_elliott
    if bursts is not None:
        names = ["good_to_bad", "bad_to_good", "loss_in_bad", "loss_in_good"]
        fractions += [(name, getattr(bursts, name)) for name in names]
    return fractions


def _check_routes(configuration: NetworkConfiguration) -> None:
    groups = {group.name for group in configuration.groups}
    links = {link.name for link in configuration.links}
    seen: set[tuple[str, str]] = set()
    for route in configuration.routes:
        place = f'route from "{route.source}" to "{route.target}"'
        if (route.source, route.target) in seen:
            raise ConfigurationError(place, "is there twice; keep one")
        seen.add((route.source, route.target))
        _check_route(place, route, groups, links)


def _check_route(place: str, route: Route, groups: set[str], links: set[str]) -> None:
    for end in (route.source, route.target):
        if end not in groups:
            raise ConfigurationError(place, f'has no group "{end}" to join; declare the group')
    if len(route.hops) > HOPS_MOST:
        raise ConfigurationError(
            place, f"crosses {len(route.hops)} links; at most {HOPS_MOST} are possible"
        )
    for hop in route.hops:
        if hop.link not in links:
            raise ConfigurationError(place, f'has no link "{hop.link}" to cross; declare the link')


def _check_faults(faults: tuple[Fault, ...]) -> None:
    if len(faults) > FAULTS_MOST:
        raise ConfigurationError(
            f'fault "{faults[FAULTS_MOST].name}"',
            f"is one too many; {FAULTS_MOST} can be active at once: heal some first",
        )
    for fault in faults:
        if max(len(fault.sources), len(fault.targets)) > MOST_MEMBERS:
            raise ConfigurationError(
                f'fault "{fault.name}"', f"has more than {MOST_MEMBERS} interfaces on a side"
            )
