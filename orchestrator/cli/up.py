"""`podnet up`: boot a topology, or bring a running deployment in line with it.

Owns the verb's options and the choice between three ways: to run the deployment here and stay with
it until Ctrl-C, to leave it to an orchestrator in the background, or to send the topology to the
orchestrator that runs already. Exit statuses are those of the three; a dry run's is 0.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import read_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.access import ListenAddress
    from orchestrator.backends.wish import RayWish
    from orchestrator.cli.printer import Printer
    from orchestrator.cli.screen import Steps, UpScreen
    from orchestrator.spawning import ForkedProcess
    from orchestrator.state import DeploymentFolder
    from orchestrator.topology.loader import Reading
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
QR_MARGIN = 4
"""Lines of a terminal that a QR code leaves for what belongs to it."""
TURN_S = 30.0
"""How long to wait for another process that starts or ends the same deployment."""
RETRY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What somebody asked for."""

    detach: bool = False
    wait: bool = False
    wait_timeout_s: float | None = None
    force_recreate: bool = False
    services: tuple[str, ...] = ()
    qr: bool | None = None
    ray: str | None = None
    """A Ray cluster's address, empty for any."""
    watch: bool = False
    listen: ListenAddress | None = None
    """Where else to take requests."""


@click.command("up", short_help="Boot a topology, or change a running one.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=str))
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option(
    "--name",
    metavar="NAME",
    help="Of the deployment, instead of the file's: one topology can run under several.",
)
@click.option("-d", "--detach", is_flag=True, help="Leave it running in the background.")
@click.option("--dry-run", is_flag=True, help="Only show the steps that would be taken.")
@click.option(
    "--wait", is_flag=True, help="As -d, and return when all pods are healthy, or one cannot be."
)
@click.option(
    "--wait-timeout",
    "wait_timeout_s",
    callback=read_duration,
    metavar="TIME",
    help="Give up waiting after this time, for example 30s.",
)
@click.option("--watch", is_flag=True, help="Put changed files into pods, as podnet watch does.")
@click.option("--force-recreate", is_flag=True, help="Replace pods that do not differ, too.")
@click.option(
    "--qr/--no-qr",
    default=None,
    help="Show the first portal's URL as a QR code; by default on a terminal with room for it.",
)
@click.option(
    "--ray",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[HOST:PORT]",
    help="Run the pods on the machines of a Ray cluster: this one, or one that runs here, or a new "
    "one. Comes after FILE.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help='Take requests over the network, too: "podnet --connect HOST:PORT".',
)
@click.option("--tls-cert", metavar="FILE", type=_FILE, help="The certificate to show there.")
@click.option("--tls-key", metavar="FILE", type=_FILE, help="Its key.")
@click.option(
    "--tls-client-ca",
    metavar="FILE",
    type=_FILE,
    help="Let in who has a certificate of this authority.",
)
@click.option(
    "--token-file", metavar="FILE", type=_FILE, help="Let in who has the token in this file."
)
@click.pass_context
def command(
    context: click.Context,
    file: str,
    services: tuple[str, ...],
    name: str | None,
    detach: bool,
    dry_run: bool,
    wait: bool,
    wait_timeout_s: float | None,
    force_recreate: bool,
    qr: bool | None,
    ray: str | None,
    watch: bool,
    listen: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    token_file: Path | None,
) -> None:
    """Boot the topology FILE and show its logs until Ctrl-C takes everything down.

    With -d it stays up in the background, until "podnet down". A deployment that runs already is
    brought in line: pods that are as the file says are not touched. Given services are started
    alone, with those that they depend on. FILE may be - for standard input. The exit status is 0
    when all went well, 1 after an error, 130 after Ctrl-C.
    """
    from orchestrator.access import listen_address

    address = listen_address(listen, tls_cert, tls_key, tls_client_ca, token_file)
    reading = _load(file, name)
    if reading.topology is None or reading.source is None:
        context.exit(1)
    _check_services(reading.topology, services)
    options = UpOptions(
        detach=detach or wait,
        wait=wait,
        wait_timeout_s=wait_timeout_s,
        force_recreate=force_recreate,
        services=services,
        qr=qr,
        ray=ray,
        watch=watch,
        listen=address,
    )
    if watch and (options.detach or dry_run):
        raise click.UsageError("--watch goes on as long as the command does; run podnet watch")
    if dry_run:
        context.exit(_dry_run(reading.topology, reading.source, options))
    context.exit(_up(reading.topology, reading.source, options))


def _load(file: str, name: str | None) -> Reading:
    from orchestrator.topology.loader import read_topology, renamed
    from orchestrator.topology.render import count, render_problems
    from pod_node.images import absolute_reference

    reading = read_topology(file, os.environ, absolute_reference)
    if name is not None:
        reading = renamed(reading, name)
    if reading.problems:
        click.echo(render_problems(reading.problems), err=True)
    if reading.topology is None:
        errors = count(len(reading.errors), "error")
        click.echo(f"error: {reading.file}: {errors}; nothing was started", err=True)
    return reading


def _check_services(topology: Topology, services: Sequence[str]) -> None:
    from orchestrator.topology.members import Roster

    roster = Roster(topology)
    for service in services:
        roster.find_service(service)


def _folder(topology: Topology) -> DeploymentFolder:
    from orchestrator.state import DeploymentFolder, state_root

    return DeploymentFolder(state_root(os.environ), topology.name)


def _dry_run(topology: Topology, source: TopologySource, options: UpOptions) -> int:
    from orchestrator.cli.attached import steps_of_running
    from orchestrator.looking_ahead import steps_ahead
    from orchestrator.spawning import answers

    folder = _folder(topology)
    if answers(folder.control_socket):
        steps = asyncio.run(steps_of_running(folder, source, options))
    else:
        steps = asyncio.run(
            steps_ahead(
                folder,
                topology,
                source,
                force_recreate=options.force_recreate,
                services=options.services,
            )
        )
    for step in steps:
        click.echo(str(step))
    if not steps:
        click.echo("nothing to do")
    return 0


def _up(topology: Topology, source: TopologySource, options: UpOptions) -> int:
    from orchestrator.spawning import answers, fork_background
    from orchestrator.state import DeploymentRunningError

    folder = _folder(topology)
    if options.watch:
        from orchestrator.cli.watch import watch_beside

        watch_beside(folder.control_socket, topology)

    def attach(started: ForkedProcess | None = None) -> int:
        from orchestrator.cli.attached import Attached

        def make_screen(printer: Printer) -> UpScreen:
            return screen_for(printer, topology, options)

        return Attached(folder, source, options, make_screen, started).run()

    if options.detach:
        if answers(folder.control_socket):
            return attach()
        return attach(fork_background(folder, options.listen, ray_wish(topology, options)))
    waited = 0.0
    while True:
        if answers(folder.control_socket):
            return attach()
        try:
            return _host(folder, topology, source, options)
        except DeploymentRunningError:
            # Another process starts it or ends it: its socket will answer, or its lock be free.
            if waited >= TURN_S:
                raise
            waited += RETRY_S
            asyncio.run(asyncio.sleep(RETRY_S))


def ray_wish(topology: Topology, options: UpOptions) -> RayWish | None:
    """Say whether the pods are to run on a Ray cluster; the command line wins over the file."""
    from orchestrator.backends.wish import RayWish
    from orchestrator.topology.placement_values import BackendKind

    if options.ray is not None:
        return RayWish(address=options.ray)
    return RayWish() if topology.backend is BackendKind.RAY else None


def _host(
    folder: DeploymentFolder, topology: Topology, source: TopologySource, options: UpOptions
) -> int:
    from orchestrator.backends.starting import node_ahead

    wish = ray_wish(topology, options)
    with folder.hold(), node_ahead(folder, wish) as node:
        from orchestrator.cli.foreground import host  # takes as long to load as a node to start

        return host(folder, node, wish, topology, source, options)


def screen_for(printer: Printer, topology: Topology, options: UpOptions) -> UpScreen:
    """Choose how a start is shown."""
    from orchestrator.cli.screen import LineSteps, UpScreen
    from orchestrator.topology.members import Roster

    terminal = sys.stdout.isatty()
    size = shutil.get_terminal_size()
    space: tuple[int, int] | None = (size.columns, size.lines - QR_MARGIN) if terminal else None
    if options.qr is not None:
        space = (sys.maxsize, sys.maxsize) if options.qr else None
    steps: Steps = LineSteps(printer)
    if terminal and sys.stderr.isatty():
        from orchestrator.cli.bars import BarSteps

        steps = BarSteps()
    roster = Roster(topology)
    names = roster.pods(map(roster.find, topology.services))
    colours = terminal and not os.environ.get("NO_COLOR")
    return UpScreen(printer, steps, names, colours=colours, qr_space=space)
