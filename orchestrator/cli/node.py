"""`podnet node`: the nodes of a deployment that has several, and what they take.

Owns the verb's subcommands and what they print.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.cluster.views import NodeView
    from orchestrator.codec.nodes import NodesClient


@click.group("node", short_help="List and change nodes.")
def command() -> None:
    """Show the nodes of a deployment that runs on several machines, and change what they take."""


@command.command("ls", short_help="List the nodes.")
@format_option
@reaching
def list_nodes(reach: Reach, form: str) -> None:
    """List the nodes: what they offer, and how many pods they have."""
    nodes = reach.call_nodes(lambda client: client.list_nodes())
    if form == "json":
        print_json(nodes)
    elif nodes:
        _print_table(nodes)
    else:
        click.echo(f"{reach.name} has one node, on its own machine")


@command.command("cordon", short_help="Have a node take no more pods.")
@click.argument("name")
@reaching
def cordon(reach: Reach, name: str) -> None:
    """Have the node NAME take no more pods; those that it has stay."""
    reach.call_nodes(lambda client: client.cordon(name))


@command.command("uncordon", short_help="Have a node take pods again.")
@click.argument("name")
@reaching
def uncordon(reach: Reach, name: str) -> None:
    """Have the node NAME take pods again, after a cordon or a drain."""
    reach.call_nodes(lambda client: client.uncordon(name))


@command.command("drain", short_help="Move all pods of a node elsewhere.")
@click.argument("name")
@reaching
def drain(reach: Reach, name: str) -> None:
    """Move all pods of the node NAME to others, one after the other, and have it take no more.

    Pods keep their names and addresses, and begin anew; connections to them are reset. The exit
    status is 1 when there is no room for all of them elsewhere; those that have none stay.
    """
    reach.follow_nodes(lambda client: _drain(client, name))


async def _drain(client: NodesClient, name: str) -> None:
    async for pod, node in client.drain(name):
        click.echo(f"{pod}: to {node}")


def _print_table(nodes: list[NodeView]) -> None:
    from orchestrator.cli.pictures import table
    from orchestrator.topology.units import format_cpus, format_size

    rows: list[tuple[str, ...]] = [("NAME", "STATE", "PODS", "CPUS", "MEMORY", "HOST", "LABELS")]
    rows.extend(
        (
            node.name,
            node.state.value,
            f"{node.pods} of {node.pods_most}",
            format_cpus(node.cpus),
            format_size(node.memory_bytes >> 20 << 20),
            node.hostname,
            ", ".join(f"{key}={value}" for key, value in sorted(node.labels.items())) or "-",
        )
        for node in nodes
    )
    click.echo(table(rows, colours=False), nl=False)
