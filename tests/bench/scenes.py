"""Pairs of pods that run at the same time in one node, each with a link of its own.

Owns the network that they need: a group for each pod, by the order in which pods get addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.cases import Report, Side
from tests.bench.node import PodNode
from tests.bench.requests import FIRST_ADDRESS, NETWORK, Program, RunScene
from vnet.configuration import Group, Hop, Link, LinkParameters, NetworkConfiguration, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One pair of pods and what is between them."""

    link: LinkParameters
    server: tuple[str, ...]
    client: tuple[str, ...]
    reporter: Side = Side.SERVER


def run_cells(cells: Sequence[Cell], *, shared: bool = False) -> list[Report]:
    """Run all cells at once in a node of their own; `shared`: all on the first one's link."""
    with PodNode() as node:
        return node.run_scene(scene_of(cells, shared=shared))


def scene_of(
    cells: Sequence[Cell], *, shared: bool = False, seed: int = 0, booted: int = 0
) -> RunScene:
    """Say what to run, and on which network, in a node that has booted some pods before.

    Servers are booted before all clients, so addresses tell who is whose client.
    """
    return RunScene(
        _configuration(cells, shared=shared, seed=seed, booted=booted),
        tuple(Program(cell.server) for cell in cells),
        tuple(Program(cell.client) for cell in cells),
        tuple(cell.reporter for cell in cells),
    )


def _configuration(
    cells: Sequence[Cell], *, shared: bool, seed: int, booted: int
) -> NetworkConfiguration:
    count = len(cells)
    addresses = [FIRST_ADDRESS + booted + index for index in range(2 * count)]
    groups = tuple(
        Group(name=f"pod-{index}@{NETWORK}", network=NETWORK, interfaces=(address,))
        for index, address in enumerate(addresses)
    )
    links = tuple(
        Link(name=f"link-{index}", forward=cell.link, backward=cell.link)
        for index, cell in enumerate(cells)
    )
    routes = []
    for index in range(count):
        server, client = groups[index].name, groups[count + index].name
        link = links[0 if shared else index].name
        routes.append(Route(source=client, target=server, hops=(Hop(link=link),)))
        routes.append(Route(source=server, target=client, hops=(Hop(link=link, backward=True),)))
    return NetworkConfiguration(seed=seed, groups=groups, links=links, routes=tuple(routes))
