"""`podnet ps`: the pods of running deployments.

Owns the verb's options and layout. Asks the node of each deployment, or, where it has several, its
orchestrator; a folder in which nobody answers is a deployment that does not run.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json

if TYPE_CHECKING:
    from orchestrator.state import DeploymentFolder
    from pod_node.spec import PodExit, PodSpec

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One pod as a table shows it."""

    spec: PodSpec
    state: str
    health: str | None
    paused: bool
    exit: PodExit | None
    reason: str
    boot_s: float | None
    boots: int
    node: str

    @property
    def text(self) -> str:
        """The state in words."""
        if self.exit is not None:
            text = f"{self.exit.kind.value} ({self.exit.status})"
            return f"{text}: {self.exit.reason}" if self.exit.reason else text
        words = [self.state, self.health or "", "paused" * self.paused]
        return ", ".join(word for word in words if word)


async def _pods(folder: DeploymentFolder) -> list[_Row] | None:
    if folder.socket.exists():
        return await _on_node(folder)
    return await _on_several(folder) if folder.control_socket.exists() else None


async def _on_node(folder: DeploymentFolder) -> list[_Row] | None:
    """Ask the only node; its pods are there without an orchestrator too."""
    from orchestrator.codec import NodeClient, NodeLostError

    try:
        async with asyncio.timeout(ANSWER_S), NodeClient(folder.socket) as client:
            pods = await client.list_pods()
    except (NodeLostError, TimeoutError):
        return None
    return [
        _Row(
            spec=pod.spec,
            state=pod.state.value,
            health=pod.health.value if pod.health else None,
            paused=pod.paused,
            exit=pod.exit,
            reason=pod.exit.reason if pod.exit else pod.health_reason,
            boot_s=pod.boot_s or None,
            boots=pod.generation,
            node="",
        )
        for pod in pods
    ]


async def _on_several(folder: DeploymentFolder) -> list[_Row] | None:
    """Ask the orchestrator, who knows all nodes."""
    from orchestrator.codec import DeploymentClient, DeploymentLostError

    try:
        async with asyncio.timeout(ANSWER_S), DeploymentClient(folder.control_socket) as client:
            view = await client.describe()
    except (DeploymentLostError, TimeoutError):
        return None
    return [
        _Row(
            spec=pod.spec,
            state=pod.phase.value,
            health=None,
            paused=pod.paused,
            exit=pod.exit if pod.phase.final else None,
            reason=pod.reason,
            boot_s=pod.boot_s,
            boots=pod.restarts + (pod.boot_s is not None),
            node=pod.node,
        )
        for pod in view.pods
    ]


def _rows(running: dict[str, list[_Row]]) -> list[dict[str, object]]:
    return [
        {
            "deployment": name,
            "name": pod.spec.name,
            "service": pod.spec.service,
            "image": pod.spec.image,
            "addresses": {i.network: str(i.address) for i in pod.spec.interfaces},
            "node": pod.node or None,
            "state": pod.state,
            "health": pod.health,
            "paused": pod.paused,
            "exit_status": pod.exit.status if pod.exit else None,
            "reason": pod.reason,
            "boot_s": pod.boot_s,
            "boots": pod.boots,
        }
        for name, pods in running.items()
        for pod in pods
    ]


def _print_table(running: dict[str, list[_Row]]) -> None:
    from orchestrator.cli.pictures import seconds, table

    has_nodes = any(pod.node for pods in running.values() for pod in pods)
    heads = ("DEPLOYMENT", "NAME", "IMAGE", "ADDRESS", "STATE", "BOOT", "BOOTS")
    rows: list[tuple[str, ...]] = [(*heads, "NODE") if has_nodes else heads]
    for name, pods in running.items():
        for pod in pods:
            cells = (
                name,
                pod.spec.name,
                pod.spec.image.rpartition("/")[2],
                ", ".join(str(interface.address) for interface in pod.spec.interfaces) or "-",
                pod.text,
                seconds(pod.boot_s),
                str(pod.boots),
            )
            rows.append((*cells, pod.node) if has_nodes else cells)
    click.echo(table(rows, colours=False), nl=False)
