"""`podnet ps`: the pods of running deployments, how each is, and why.

Owns the verb's options and layout. Asks the orchestrator of each deployment; a folder in which
nobody answers is a deployment that does not run.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import click

from orchestrator.cli.listing import (
    age_text,
    chosen_pods,
    read_filters,
    remarks,
    service_rows,
    uptime_s,
)
from orchestrator.cli.options import format_option, print_json
from orchestrator.cli.remoting import remote_address

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.cli.listing import Filters
    from orchestrator.serving.access import RemoteAddress
    from orchestrator.views.deployment import DeploymentView
    from orchestrator.views.phases import PodView

ANSWER_S = 5.0
"""How long an orchestrator may take to say how its pods are."""

Views = dict[str, "DeploymentView"]


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
@click.option("-a", "--all", "every", is_flag=True, help="Also those that ended well or on demand.")
@click.option("-q", "--quiet", is_flag=True, help="Only the names of the pods.")
@click.option("--services", is_flag=True, help="Services: pods that are wanted, there and ready.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    callback=read_filters,
    metavar="KEY=VALUE",
    help="Only pods with a status (as shown, or ready, not-ready, paused), a service or a name.",
)
@format_option
@click.pass_context
def command(
    context: click.Context,
    deployments: tuple[str, ...],
    chosen: tuple[str, ...],
    every: bool,
    quiet: bool,
    services: bool,
    filters: Filters,
    form: str,
) -> None:
    """List the pods of running deployments, or of the named ones only.

    Updates under way or at a stand, a node that was lost, and deployments whose orchestrator was
    killed are told on standard error. The exit status is 1 if a named deployment does not run. Pods
    that ended well, or because somebody stopped them, are left out unless -a or a filter asks for
    them.
    """
    names = deployments + chosen
    running = asyncio.run(ask(names))
    pods = {name: chosen_pods(view, filters, every=every) for name, view in running.items()}
    if services:
        _show_services(running, form)
    elif form == "json":
        print_json([_row(name, pod, running[name]) for name in pods for pod in pods[name]])
    elif quiet:
        for name in pods:
            click.echo("".join(f"{pod.spec.name}\n" for pod in pods[name]), nl=False)
    elif running or not names:
        _print_table(running, pods)
    for name, view in running.items():
        for remark in remarks(name, view):
            click.echo(remark, err=True)
    absent = [name for name in names if name not in running]
    _tell_absent(absent, all_of_them=not names and remote_address() is None, running=running)
    context.exit(1 if absent else 0)


def _tell_absent(absent: list[str], *, all_of_them: bool, running: Views) -> None:
    """Say why named deployments do not answer; of the others, which were left alone."""
    from orchestrator.cli.orphans import find_orphan
    from orchestrator.store.state import DeploymentFolder, known_deployments, state_root

    root = state_root(os.environ)
    others = [name for name in known_deployments(root) if name not in running]
    for name in others if all_of_them else absent:
        orphan = find_orphan(DeploymentFolder(root, name))
        if orphan is not None:
            click.echo(f"{'error: ' * (not all_of_them)}{orphan}", err=True)
        elif not all_of_them:
            hint = 'start it with "podnet up FILE"'
            click.echo(f'error: no deployment "{name}" runs; {hint}', err=True)


async def ask(names: tuple[str, ...]) -> Views:
    """Ask all deployments at once; those that do not answer do not run."""
    from orchestrator.store.state import DeploymentFolder, known_deployments, state_root

    remote = remote_address()
    if remote is not None:
        view = await _view(remote)
        return {} if view is None else {view.name: view}
    root = state_root(os.environ)
    known = names or tuple(known_deployments(root))
    sockets = {name: DeploymentFolder(root, name).control_socket for name in known}
    there = {name: socket for name, socket in sockets.items() if socket.exists()}
    views = await asyncio.gather(*map(_view, there.values()))
    return {name: view for name, view in zip(there, views, strict=True) if view is not None}


async def _view(where: Path | RemoteAddress) -> DeploymentView | None:
    from orchestrator.codec.client.describing import DescribingClient
    from orchestrator.codec.errors import DeploymentLostError
    from orchestrator.serving.access import RemoteAddress
    from vnet.errors import InvalidMessageError

    try:
        async with asyncio.timeout(ANSWER_S), DescribingClient(where) as client:
            return await client.describe()
    except (DeploymentLostError, TimeoutError):
        if isinstance(where, RemoteAddress):
            raise
        return None
    except InvalidMessageError as error:
        click.echo(f"podnet: what {where} says is of another version of podnet: {error}", err=True)
        return None


def _row(deployment: str, pod: PodView, view: DeploymentView) -> dict[str, object]:
    from orchestrator.views.moments import moment_text

    began = pod.booted_at_s
    return {
        "deployment": deployment,
        "name": pod.spec.name,
        "service": pod.spec.service,
        "image": pod.spec.image,
        "addresses": {i.network: str(i.address) for i in pod.spec.interfaces},
        "status": pod.phase.value,
        "ready": pod.ready,
        "paused": pod.paused,
        "exit_status": pod.exit.status if pod.exit else None,
        "reason": pod.reason,
        "boot_s": pod.boot_s,
        "restarts": pod.restarts,
        "started_at": None if began is None else moment_text(began),
        "uptime_s": uptime_s(pod, time.time()),
        "machine": pod.machine or None,
        "revision": view.revision,
        "portals": [portal.url for portal in view.portals if portal.service == pod.spec.service],
    }


def _show_services(running: Views, form: str) -> None:
    from orchestrator.cli.pictures import table

    rows = [row for name, view in running.items() for row in service_rows(name, view)]
    if form == "json":
        print_json(rows)
        return
    lines: list[tuple[str, ...]] = [
        ("DEPLOYMENT", "SERVICE", "DESIRED", "PODS", "READY", "RESTARTS", "REVISION", "PORTALS")
    ]
    lines.extend(
        (
            row.deployment,
            row.service,
            str(row.desired),
            str(row.pods),
            str(row.ready),
            str(row.restarts),
            str(row.revision),
            ", ".join(row.portals) or "-",
        )
        for row in rows
    )
    click.echo(table(lines, colours=False), nl=False)


def _print_table(running: Views, pods: dict[str, list[PodView]]) -> None:
    from orchestrator.cli.pictures import seconds, table

    now_s = time.time()
    rows: list[tuple[str, ...]] = [
        ("DEPLOYMENT", "NAME", "STATUS", "AGE", "BOOT", "RESTARTS", "ADDRESS", "PORTS", "MACHINE")
    ]
    rows.extend(
        (
            name,
            pod.spec.name,
            f"{pod.state}: {pod.reason}" if pod.reason else pod.state,
            age_text(pod, now_s),
            seconds(pod.boot_s),
            str(pod.restarts),
            ", ".join(str(interface.address) for interface in pod.spec.interfaces) or "-",
            _ports(pod, running[name]),
            pod.machine or "-",
        )
        for name in pods
        for pod in pods[name]
    )
    click.echo(table(rows, colours=False), nl=False)


def _ports(pod: PodView, view: DeploymentView) -> str:
    own = [portal for portal in view.portals if portal.service == pod.spec.service]
    return ", ".join(f"{portal.host_port}->{portal.port}" for portal in own) or "-"
