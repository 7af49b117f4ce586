"""Fleets of real node processes on this machine; their supervisors run in the test itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import wasmtime

from orchestrator.cluster.carrying import Carrier
from orchestrator.cluster.certificates import Credentials, open_credentials
from orchestrator.cluster.fleet import Fleet
from orchestrator.cluster.member import Member, MemberSettings
from orchestrator.cluster.supervisor import Supervisor
from orchestrator.cluster.values import NodeEnd, NodeOrder, NodeReady
from orchestrator.codec import NodeClient
from orchestrator.codec.securing import NodeAddress
from orchestrator.desired.plan import Plan, PlannedNetwork, PlannedPod
from orchestrator.placement import Demand, NodeOffer, Placing, ServiceRules
from orchestrator.topology.values import RestartPolicy
from pod_node.images import ImageDesk, Offer, Part, Stock
from pod_node.spec import Interface, PodSpec
from vnet.trunk import Certificates, TrunkSettings

LEASE_S = 20.0
"""Longer than a loaded machine keeps a process from running."""
NETWORK = IPv4Network("10.10.0.0/24")


def sleeper(folder: Path) -> str:
    """A guest that does nothing for a day, as an image reference."""
    text = """(module
      (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 86400000000000))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"""
    path = folder / "sleeper.wasm"
    path.write_bytes(wasmtime.wat2wasm(text))
    return f"file:{path}"


async def grant() -> float | None:
    return LEASE_S


class DeskCarrier:
    """The way of parts to and from a desk in this process."""

    def __init__(self, desk: ImageDesk) -> None:
        self.desk = desk

    async def stock(self, image: str) -> Stock:
        return await asyncio.to_thread(self.desk.stock, image)

    async def offer(self, part: Part) -> Offer:
        return await asyncio.to_thread(self.desk.giver.offer, part)

    def read(self, part: Part, offset: int) -> object:
        return self.desk.giver.read(part, offset)

    async def close(self, part: Part) -> None:
        self.desk.giver.close(part)

    async def begin(self, offer: Offer) -> bool:
        return await asyncio.to_thread(self.desk.taker.begin, offer)

    async def write(self, part: Part, offset: int, piece: object) -> None:
        assert isinstance(piece, bytes)
        self.desk.taker.write(part, offset, piece)

    async def finish(self, part: Part) -> None:
        await asyncio.to_thread(self.desk.taker.finish, part)

    async def abandon(self, part: Part) -> None:
        self.desk.taker.abandon(part)


@dataclass(slots=True)
class FleetRig:
    """A fleet, and how to give it nodes."""

    fleet: Fleet
    folder: Path
    credentials: Credentials
    stack: AsyncExitStack
    notices: list[str] = field(default_factory=list)
    supervisors: dict[str, Supervisor] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)

    async def add(
        self,
        name: str,
        *,
        memory_bytes: int = 1 << 30,
        cache: Path | None = None,
        carrier: Callable[[ImageDesk], Carrier] = DeskCarrier,
        **labels: str,
    ) -> Member:
        """Have one more node; with a cache of its own, its machine gives and takes images."""
        supervisor, ready = await self.start(name, cache)
        client = await self.stack.enter_async_context(
            NodeClient(
                NodeAddress(target=ready.address, name=name, credentials=self.credentials.client)
            )
        )
        own, authority = self.credentials.node(name)
        member = Member(
            MemberSettings(
                offer=NodeOffer(name=name, cpus=4, memory_bytes=memory_bytes, labels=labels),
                trunk=TrunkSettings(
                    deployment="test",
                    node=name,
                    listen="127.0.0.1:0",
                    token=bytes(32),
                    certificates=Certificates(
                        certificate=own.certificate, key=own.key, authorities=authority
                    ),
                ),
                is_here=True,
                pid=ready.pid,
            ),
            client,
            None if cache is None else carrier(supervisor.images),
        )
        self.members[name] = member
        await self.fleet.join(member)
        return member

    async def start(self, name: str, cache: Path | None = None) -> tuple[Supervisor, NodeReady]:
        own = {} if cache is None else {"PODNET_CACHE": str(cache)}
        supervisor = Supervisor(os.environ | own)
        self.stack.push_async_callback(supervisor.stop)
        self.supervisors[name] = supervisor
        ready = await supervisor.start(self.order(name), grant)
        assert isinstance(ready, NodeReady), ready
        return supervisor, ready

    def order(self, name: str) -> NodeOrder:
        own, _ = self.credentials.node(name)
        return NodeOrder(
            deployment="test",
            node=name,
            host="127.0.0.1",
            credentials=own,
            lease_s=LEASE_S,
            sealing_key=bytes(32),
        )

    async def lose(self, name: str) -> NodeEnd:
        """Kill a node, and have the fleet know."""
        supervisor = self.supervisors.pop(name)
        supervisor.kill()
        end = await supervisor.wait()
        await self.fleet.leave(name, end.summary)
        return end


@asynccontextmanager
async def fleet_rig(folder: Path) -> AsyncIterator[FleetRig]:
    """A fleet without nodes; PODNET_STATE must be short, and the caller's."""
    credentials = open_credentials("test", folder / "credentials", datetime.now(UTC))
    notices: list[str] = []
    fleet = Fleet("test", notices.append)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(fleet.close)
        yield FleetRig(fleet, folder, credentials, stack, notices)


def plan_of(image: str, **services: int) -> Plan:
    """Services with so many replicas of an image, all on one network."""
    addresses = iter(NETWORK.hosts())
    gateway = next(addresses)
    pods = [
        PlannedPod(
            spec=PodSpec(
                name=f"{service}-{number}",
                service=service,
                image=image,
                command=(),
                interfaces=(Interface(network="front", address=next(addresses), prefix=24),),
            ),
            replica=number,
            names=(),
            depends_on=(),
            restart=RestartPolicy(),
        )
        for service, count in services.items()
        for number in range(1, count + 1)
    ]
    return Plan(
        name="test",
        networks=(PlannedNetwork(name="front", subnet=NETWORK, gateway=gateway),),
        levels=(tuple(services),),
        pods=tuple(pods),
        portals=(),
        volumes=(),
        placing=Placing(
            demands=tuple(
                Demand(pod=pod.spec.name, service=pod.spec.service, memory_bytes=1 << 20)
                for pod in pods
            ),
            rules={service: ServiceRules() for service in services},
        ),
    )


async def boot(fleet: Fleet, plan: Plan) -> None:
    """Have a plan's pods."""
    await fleet.arrange(plan)
    await fleet.attach_networks([(network.name, network.subnet) for network in plan.networks])
    await asyncio.gather(*(fleet.boot_pod(pod.spec) for pod in plan.pods))


def address_of(plan: Plan, pod: str) -> IPv4Address:
    return next(p for p in plan.pods if p.spec.name == pod).spec.interfaces[0].address
