"""`podnet up`: boot a topology, or bring a running deployment in line with it.

Owns the verb's options and the choice between three ways: to run the deployment here and stay with
it until Ctrl-C, to leave it to an orchestrator in the background, or to send the topology to the
orchestrator that runs already. Exit statuses are those of the three; a dry run's is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.booting import boot, read_request
from orchestrator.cli.options import read_duration
from vnet.loading import loading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.backends.starting import StartingNode
    from orchestrator.cli.background import Watcher
    from orchestrator.cli.booting import UpRequest
    from orchestrator.serving.access import ListenAddress
    from orchestrator.views.deployment import ApplyOrder

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What somebody asked for."""

    detach: bool = False
    wait: bool = False
    wait_timeout_s: float | None = None
    force_recreate: bool = False
    services: tuple[str, ...] = ()
    replicas: Mapping[str, int] = field(default_factory=dict)
    name: str | None = None
    """Of the deployment, instead of the file's."""
    qr: bool | None = None
    ray: str | None = None
    """A Ray cluster's address, empty for any."""
    watch: bool = False
    listen: ListenAddress | None = None
    """Where else to take requests."""

    @property
    def order(self) -> ApplyOrder:
        """How the topology is to be taken up."""
        from orchestrator.views.deployment import ApplyOrder

        return ApplyOrder(
            force_recreate=self.force_recreate, services=self.services, replicas=self.replicas
        )


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
    "--scale",
    "scales",
    multiple=True,
    metavar="SERVICE=N",
    help="So many replicas, as podnet scale does.",
)
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
    scales: tuple[str, ...],
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
    from orchestrator.serving.access import listen_address

    address = listen_address(listen, tls_cert, tls_key, tls_client_ca, token_file)
    options = UpOptions(
        detach=detach or wait,
        wait=wait,
        wait_timeout_s=wait_timeout_s,
        force_recreate=force_recreate,
        services=services,
        replicas=_read_scales(scales),
        name=name,
        qr=qr,
        ray=ray,
        watch=watch,
        listen=address,
    )
    if watch and (options.detach or dry_run):
        raise click.UsageError("--watch goes on as long as the command does; run podnet watch")
    if dry_run:
        context.exit(_dry_run(file, options))
    if options.detach:
        from orchestrator.cli.background import leave_behind

        behind = leave_behind(lambda watcher: boot(file, options, partial(_host_behind, watcher)))
        context.exit(behind)
    context.exit(boot(file, options, _host_here))


def _read_scales(texts: Sequence[str]) -> dict[str, int]:
    if not texts:
        return {}
    from orchestrator.cli.scale import read_scale

    return dict(map(read_scale, texts))


def _dry_run(file: str, options: UpOptions) -> int:
    import asyncio

    from orchestrator.cli.attached import steps_of_running
    from orchestrator.process.looking_ahead import steps_ahead
    from orchestrator.store.state import answers

    request = read_request(file, options)
    if request is None:
        return 1
    if answers(request.folder.control_socket):
        steps = asyncio.run(steps_of_running(request.folder, request.source, options))
    else:
        steps = asyncio.run(
            steps_ahead(
                request.folder,
                request.topology,
                request.source,
                options.order,
            )
        )
    for step in steps:
        click.echo(str(step))
    if not steps:
        click.echo("nothing to do")
    return 0


def _host_here(request: UpRequest, node: StartingNode | None) -> int:
    with loading():
        from orchestrator.cli.foreground import host  # takes as long to load as a node to start

    return host(request, node)


def _host_behind(watcher: Watcher, request: UpRequest, node: StartingNode | None) -> int:
    watcher.name(request.folder)
    with loading():
        from orchestrator.cli.opening import host

    return host(watcher, request, node)
