"""A pod node as a process of its own, driven over node.v1 as an orchestrator would."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from grpc import aio

from pod_node.codec import names_to_message, pod_spec_to_message
from pod_node.codec.trunk import peers_to_message, settings_to_message, statuses_from_message
from pod_node.spec import Interface, PodSpec
from protos.node.v1 import node_pb2 as pb
from protos.node.v1 import trunk_pb2
from protos.node.v1.node_pb2_grpc import PodNodeServiceStub
from protos.node.v1.trunk_pb2_grpc import TrunkServiceStub
from vnet.trunk import PeerSpec, PeerStatus, RemoteInterface, TrunkSettings

if TYPE_CHECKING:
    from protos.node.v1.node_pb2_grpc import PodNodeServiceAsyncStub
    from protos.node.v1.trunk_pb2_grpc import TrunkServiceAsyncStub

NETWORK = "front"
SUBNET = IPv4Network("10.10.0.0/24")


@dataclass(eq=False)
class NodeProcess:
    """One node, and the ways to it."""

    name: str
    process: Process
    pods: PodNodeServiceAsyncStub
    trunk: TrunkServiceAsyncStub
    address: str = ""

    async def open_trunk(self, settings: TrunkSettings) -> str:
        answer = await self.trunk.OpenTrunk(settings_to_message(settings))
        self.address = answer.address
        return self.address

    async def set_peers(self, peers: Sequence[PeerSpec]) -> None:
        await self.trunk.SetPeers(peers_to_message(peers))

    async def peers(self) -> list[PeerStatus]:
        return list(statuses_from_message(await self.trunk.ListPeers(trunk_pb2.ListPeersRequest())))

    async def prepare(self, image: str) -> None:
        async for _ in self.pods.PrepareImages(pb.PrepareImagesRequest(images=[image])):
            pass

    async def boot(self, name: str, image: str, *command: str, address: IPv4Address) -> None:
        interface = Interface(network=NETWORK, address=address, prefix=SUBNET.prefixlen)
        spec = PodSpec(
            name=name, service=name, image=image, command=command, interfaces=(interface,)
        )
        await self.pods.BootPod(pb.BootPodRequest(spec=pod_spec_to_message(spec)))

    async def kill_pod(self, name: str) -> None:
        await self.pods.KillPod(pb.KillPodRequest(name=name))

    async def publish(self, names: dict[str, list[IPv4Address]]) -> None:
        records = names_to_message(names)
        await self.pods.PublishNames(pb.PublishNamesRequest(network=NETWORK, records=records))

    async def lines(self, pod: str, wanted: str) -> list[str]:
        """What a pod has written, as soon as a line of it begins as wanted."""
        seen: list[str] = []
        request = pb.LogsRequest(pods=[pod], follow=True)
        async for answer in self.pods.Logs(request):
            seen += [line.decode() for line in answer.lines]
            if any(line.startswith(wanted) for line in seen):
                return seen
        raise AssertionError(f"{pod} has written {seen} only")

    async def kill(self) -> None:
        """End it as the machine would."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def node_process(name: str, folder: Path) -> AsyncIterator[NodeProcess]:
    """Start a node with one network, and end it with the block."""
    socket = folder / f"{name}.sock"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "pod_node"),
        *("--socket", str(socket), "--state", str(folder / name), "--until-eof"),
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        async with aio.insecure_channel(f"unix:{socket}") as channel:
            node = NodeProcess(
                name,
                process,
                PodNodeServiceStub(channel),
                TrunkServiceStub(channel),
            )
            network = pb.Network(name=NETWORK, subnet_cidr=str(SUBNET))
            await node.pods.AttachNetworks(pb.AttachNetworksRequest(networks=[network]))
            yield node
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(5.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def join(nodes: dict[NodeProcess, Sequence[IPv4Address]]) -> None:
    """Tell each node of the others and of their pods, and wait for the trunks."""
    specs = {
        node.name: PeerSpec(
            name=node.name,
            address=node.address,
            interfaces=tuple(
                RemoteInterface(network=NETWORK, address=address, prefix=SUBNET.prefixlen)
                for address in addresses
            ),
        )
        for node, addresses in nodes.items()
    }
    for node in nodes:
        await node.set_peers([spec for name, spec in specs.items() if name != node.name])
    for node in nodes:
        while not all(peer.connected for peer in await node.peers()):
            pass
