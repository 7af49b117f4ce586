"""`podnet ps`: the pods of running deployments.

Owns the verb's options and layout. Asks the node of each deployment; a folder without a node that
answers is a deployment that does not run.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json

if TYPE_CHECKING:
    from orchestrator.state import DeploymentFolder
    from pod_node.status import PodStatus

ANSWER_S = 5.0
"""How long a node may take to list its pods."""


@click.command("ps", short_help="List the pods of running deployments.")
@click.argument("deployments", nargs=-1, metavar="[DEPLOYMENT]...")
@click.option(
    "-d",
    "--deployment",
    "chosen",
    multiple=True,
    metavar="NAME",
    help="The same as an argument, for those who know it from other commands.",
)
@format_option
@click.pass_context
def command(
    context: click.Context, deployments: tuple[str, ...], chosen: tuple[str, ...], form: str
) -> None:
    """List the pods of running deployments, or of the named ones only.

    The exit status is 1 if a named deployment does not run.
    """
    from orchestrator.state import DeploymentFolder, known_deployments, state_root

    root = state_root(os.environ)
    deployments += chosen
    names = deployments or known_deployments(root)
    folders = [DeploymentFolder(root, name) for name in names]
    found = {folder.name: asyncio.run(_pods(folder)) for folder in folders}
    running = {name: pods for name, pods in found.items() if pods is not None}
    if form == "json":
        print_json(_rows(running))
    elif running or not deployments:
        _print_table(running)
    absent = [name for name in deployments if name not in running]
    for name in absent:
        click.echo(f'error: no deployment "{name}" runs; start it with "podnet up FILE"', err=True)
    context.exit(1 if absent else 0)


async def _pods(folder: DeploymentFolder) -> list[PodStatus] | None:
    from orchestrator.codec import NodeClient, NodeLostError

    if not folder.socket.exists():
        return None
    try:
        async with asyncio.timeout(ANSWER_S), NodeClient(folder.socket) as client:
            return await client.list_pods()
    except (NodeLostError, TimeoutError):
        return None


def _rows(running: dict[str, list[PodStatus]]) -> list[dict[str, object]]:
    return [
        {
            "deployment": name,
            "name": pod.spec.name,
            "service": pod.spec.service,
            "image": pod.spec.image,
            "addresses": {i.network: str(i.address) for i in pod.spec.interfaces},
            "state": pod.state.value,
            "health": pod.health.value if pod.health else None,
            "paused": pod.paused,
            "exit_status": pod.exit.status if pod.exit else None,
            "reason": pod.exit.reason if pod.exit else pod.health_reason,
            "boot_s": pod.boot_s or None,
            "boots": pod.generation,
        }
        for name, pods in running.items()
        for pod in pods
    ]


def _print_table(running: dict[str, list[PodStatus]]) -> None:
    from orchestrator.cli.pictures import seconds, table

    rows: list[tuple[str, ...]] = [
        ("DEPLOYMENT", "NAME", "IMAGE", "ADDRESS", "STATE", "BOOT", "BOOTS")
    ]
    rows.extend(
        (
            name,
            pod.spec.name,
            pod.spec.image.rpartition("/")[2],
            ", ".join(str(interface.address) for interface in pod.spec.interfaces) or "-",
            _state(pod),
            seconds(pod.boot_s or None),
            str(pod.generation),
        )
        for name, pods in running.items()
        for pod in pods
    )
    click.echo(table(rows, colours=False), nl=False)


def _state(pod: PodStatus) -> str:
    if pod.exit is not None:
        text = f"{pod.exit.kind.value} ({pod.exit.status})"
        return f"{text}: {pod.exit.reason}" if pod.exit.reason else text
    words = [pod.state.value, pod.health.value if pod.health else "", "paused" * pod.paused]
    return ", ".join(word for word in words if word)
