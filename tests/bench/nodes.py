"""Two processes with pods of one deployment, and a trunk between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from tempfile import TemporaryDirectory

from tests.bench.cases import Case, Report, Side
from tests.bench.node import PodNode
from tests.bench.requests import (
    FIRST_ADDRESS,
    NETWORK,
    PORT,
    SUBNET,
    AwaitPeers,
    BootServer,
    OpenTrunk,
    Program,
    RunProgram,
    ServerReports,
    SetPeers,
)
from tests.bench.scenes import Cell, scene_of
from vnet.trunk import PeerSpec, RemoteInterface, TrunkSettings

ADDRESSES = 128
"""Of each node."""


class TwoNodes:
    """Servers run on the second, clients on the first."""

    def __init__(self, clients: PodNode, servers: PodNode) -> None:
        self.clients, self.servers = clients, servers

    def run(self, case: Case) -> list[Report]:
        """Run one pair of a case."""
        address = self.servers.ask(BootServer(Program(case.server)))
        assert isinstance(address, str)
        command = tuple(case.client_command(address, PORT, 0))
        reports = self.clients.ask(RunProgram(Program(command)))
        ended = self.servers.ask(ServerReports(address))
        found = ended if case.reporter is Side.SERVER else reports
        assert isinstance(found, list)
        return found

    def run_cells_on_each(self, cells: Sequence[Cell]) -> list[Report]:
        """Run these pairs on each node at the same time, all of them over one link."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            running = [
                pool.submit(node.run_scene, scene_of(cells, shared=True, booted=index * ADDRESSES))
                for index, node in enumerate((self.clients, self.servers))
            ]
            return [report for one in running for report in one.result()]


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Start both, and join them."""
    names = "first", "second"
    with TemporaryDirectory(prefix="podnet-") as folder, PodNode() as first, PodNode() as second:
        nodes = first, second
        peers = [
            PeerSpec(name=name, address=f"unix:{folder}/{name}", interfaces=_interfaces(index))
            for index, name in enumerate(names)
        ]
        for index, node in enumerate(nodes):
            node.ask(OpenTrunk(_settings(peers[index]), _first(index)))
        for index, node in enumerate(nodes):
            node.ask(SetPeers((peers[1 - index],)))
        for node in nodes:
            node.ask(AwaitPeers())
        yield TwoNodes(first, second)


def _settings(node: PeerSpec) -> TrunkSettings:
    return TrunkSettings(
        deployment="bench", node=node.name, listen=node.address, token=b"the token of a bench"
    )


def _first(index: int) -> IPv4Address:
    return FIRST_ADDRESS + index * ADDRESSES


def _interfaces(index: int) -> tuple[RemoteInterface, ...]:
    return tuple(
        RemoteInterface(network=NETWORK, address=_first(index) + n, prefix=SUBNET.prefixlen)
        for n in range(ADDRESSES)
    )
