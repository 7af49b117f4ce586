"""`podnet plan`: where the pods of a topology would go, and why.

Owns the verb's options and what it prints. Nothing is started. The decision is `placement/`'s.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.placement import CutEdge, NodeOffer, Placement, TrafficEdge
    from orchestrator.topology.schema import Topology

NODES_MOST = 10_000


@click.command("plan", short_help="Show which pod would go to which node.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=str))
@click.option(
    "--nodes",
    "count",
    type=click.IntRange(1, NODES_MOST),
    metavar="N",
    help="Plan for so many nodes like this machine.",
)
@click.option(
    "--node",
    "described",
    multiple=True,
    metavar="NAME,KEY=VALUE,...",
    help="Plan for this node, for example big,cpus=8,memory=16G,zone=a; once for each.",
)
@click.option(
    "--ray",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[HOST:PORT]",
    help="Plan for the machines of a Ray cluster: this one, or one that runs here.",
)
@click.option(
    "--declared",
    "declared_only",
    is_flag=True,
    help="Leave out what was measured.",
)
@format_option
@click.pass_context
def command(
    context: click.Context,
    file: str,
    count: int | None,
    described: tuple[str, ...],
    ray: str | None,
    declared_only: bool,
    form: str,
) -> None:
    """Show on which node each pod of the topology FILE would run, and why; nothing is started.

    After it come the services that have to do with each other: what the file declares, what was
    measured while the deployment ran on several nodes, and the weight of both; and what of that
    would pass from one node to another. The exit status is 1 when some pods could be on no node.
    """
    from orchestrator.placement import (
        cut_of,
        demands_of,
        edges,
        place,
        service_rules,
        traffic_of,
        with_measured,
    )

    if sum((count is not None, bool(described), ray is not None)) > 1:
        raise click.UsageError("give one of --nodes, --node and --ray")
    topology = _read(file)
    if topology is None:
        context.exit(1)
    offers = _offers(count, described) if ray is None else _offers_of_ray(ray)
    declared = traffic_of(topology)
    measured = _measured(topology, declared_only=declared_only)
    traffic = with_measured(declared, measured)
    talks = edges(declared, measured)
    placement = place(demands_of(topology), offers, service_rules(topology), traffic)
    cut = cut_of(placement, traffic)
    if form == "json":
        print_json({"placement": placement, "traffic": talks, "cut": cut, "nodes": offers})
    else:
        _show(offers, placement)
        _show_traffic(talks, cut)
    context.exit(_refuse(topology.name, placement))


def _read(file: str) -> Topology | None:
    from orchestrator.topology.loader import read_topology
    from orchestrator.topology.render import render_problems

    reading = read_topology(file, os.environ)
    if reading.problems:
        click.echo(render_problems(reading.problems), err=True)
    return reading.topology


def _measured(topology: Topology, *, declared_only: bool) -> Mapping[tuple[str, str], float]:
    """What the deployment's services have exchanged, of those that the file has."""
    from orchestrator.cluster.traffic_record import read_traffic
    from orchestrator.store.state import state_root

    if declared_only:
        return {}
    known = read_traffic(state_root(os.environ) / topology.name).telling
    return {pair: size for pair, size in known.items() if set(pair) <= topology.services.keys()}


def _offers(count: int | None, described: Sequence[str]) -> list[NodeOffer]:
    from orchestrator.backends.machine import this_machine
    from orchestrator.cli.offers import read_node

    if described:
        offers = [read_node(text) for text in described]
        names = [offer.name for offer in offers]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise click.UsageError(f'two nodes are called "{twice}"')
        return offers
    return [this_machine(f"node-{number}") for number in range(1, (count or 1) + 1)]


def _offers_of_ray(address: str) -> list[NodeOffer]:
    from orchestrator.backends.choice import look_at_cluster

    return look_at_cluster(address)


def _show(offers: Sequence[NodeOffer], placement: Placement) -> None:
    from orchestrator.cli.pictures import table

    rows = [(pod.pod, pod.node, pod.reason.value) for pod in placement.placed]
    click.echo(table([("POD", "NODE", "WHY"), *rows], colours=False))
    counts = {offer.name: 0 for offer in offers}
    for pod in placement.placed:
        counts[pod.node] += 1
    totals = [(name, str(count)) for name, count in counts.items()]
    click.echo(table([("NODE", "PODS"), *totals], colours=False))


def _show_traffic(talks: Sequence[TrafficEdge], cut: Sequence[CutEdge]) -> None:
    from orchestrator.cli.pictures import table
    from orchestrator.topology.units import format_size

    if talks:
        rows = [
            (
                " - ".join(edge.services),
                f"{edge.declared:.2f}" if edge.declared else "-",
                f"{edge.measured:.2f}" if edge.measured else "-",
                format_size(edge.measured_bytes >> 10 << 10) if edge.measured else "-",
                f"{edge.weight:.2f}",
            )
            for edge in talks
        ]
        columns = ("SERVICES", "DECLARED", "MEASURED", "BYTES", "WEIGHT")
        click.echo(table([columns, *rows], colours=False))
    if cut:
        crossing = [
            (" - ".join(edge.services), " - ".join(edge.nodes), f"{edge.weight:.2f}")
            for edge in cut
        ]
        heads = ("BETWEEN", "ON NODES", "WEIGHT")
        click.echo(table([heads, *crossing], colours=False), nl=False)


def _refuse(name: str, placement: Placement) -> int:
    from orchestrator.placement import NoRoomError

    if not placement.unplaced:
        return 0
    click.echo(f"error: {NoRoomError(name, placement.unplaced)}", err=True)
    return 1
