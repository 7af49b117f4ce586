"""What pods must never reach: which ports of which machines each node keeps from them."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, cast

from orchestrator.cluster.guarding import guarded_address, guarded_by
from orchestrator.cluster.listening import machine_addresses
from orchestrator.cluster.member import Member, MemberSettings
from orchestrator.placement import NodeOffer
from orchestrator.serving.access import ListenAddress
from vnet.configuration import GuardedPorts, PortRange
from vnet.trunk import TrunkSettings

if TYPE_CHECKING:
    from orchestrator.codec import NodeClient


def member(name: str, machine: str, address: str, trunk: str) -> Member:
    settings = MemberSettings(
        offer=NodeOffer(name=name, cpus=1, memory_bytes=1),
        trunk=TrunkSettings(deployment="d", node=name, listen=f"{address}:0", token=bytes(32)),
        is_here=True,
        machine=machine,
        addresses=(ip_address(address),),
        ports=(PortRange(first=7000, last=7001),),
    )
    made = Member(settings, cast("NodeClient", None))
    made.trunk_address = trunk
    return made


async def test_a_node_keeps_the_ports_of_all_machines_and_its_own_on_every_address() -> None:
    here = member("a", "machine 1", "10.0.0.1", "10.0.0.1:45000")
    there = member("b", "machine 2", "10.0.0.2", "")
    head = GuardedPorts(
        addresses=(ip_address("10.0.0.9"),), ports=(PortRange(first=6379, last=6379),), reason="r"
    )
    own, other, last = guarded_by(here, [here, there], [head])
    assert own.is_here
    assert not other.is_here
    assert last is head
    assert [(ports.first, ports.last) for ports in own.ports] == [(7000, 7001), (45000, 45000)]
    assert [(ports.first, ports.last) for ports in other.ports] == [(7000, 7001)]
    assert other.addresses == (ip_address("10.0.0.2"),)


def test_where_an_orchestrator_takes_orders_is_kept_from_pods(tmp_path: Path) -> None:
    assert guarded_address(None) == ()
    token = ListenAddress(host="127.0.0.1", port=8443, token_file=tmp_path / "token")
    (guarded,) = guarded_address(token)
    assert guarded.is_here
    assert set(map(str, guarded.addresses)) == set(machine_addresses())
    assert guarded.ports == (PortRange(first=8443, last=8443),)
