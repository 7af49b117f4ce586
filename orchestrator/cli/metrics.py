"""`podnet metrics`: a running deployment for Prometheus, once or over HTTP.

Owns the verb's options and the server; the names are `orchestrator.views.metrics`'s.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import CollectorRegistry

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.metrics import Measured

SCRAPE_S = 9.0
"""How long one may take; Prometheus gives up after ten."""


class ListenError(OrchestratorError):
    """The address for scrapes cannot be had."""


@click.command("metrics", short_help="Give a deployment's metrics to Prometheus.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Serve them at http://HOST:PORT/metrics until Ctrl-C, for example 127.0.0.1:9464.",
)
@reaching
def command(reach: Reach, listen: str | None) -> None:
    """Write the metrics of a deployment in Prometheus' text format, or serve them over HTTP.

    Each scrape asks the deployment anew. Whoever can reach the address can read them.
    """
    if listen is None:
        sys.stdout.write(reach.call(_text))
        sys.stdout.flush()
    else:
        reach.follow(lambda client: _serve(client, listen))


async def _text(client: DeploymentClient) -> str:
    from prometheus_client import generate_latest
    from prometheus_client.registry import CollectorRegistry

    from orchestrator.views.metrics import metrics_of

    measured = await _measure(client)
    registry = CollectorRegistry()
    registry.register(_Fixed(list(metrics_of(measured))))
    return generate_latest(registry).decode()


async def _measure(client: DeploymentClient) -> Measured:
    from orchestrator.views.metrics import Measured

    usage, tallies = await client.measure()
    return Measured(
        view=await client.describe(),
        usage=usage,
        network=await client.network_statistics(flows=True),
        tallies=tallies,
    )


async def _serve(client: DeploymentClient, listen: str) -> None:
    from prometheus_client.registry import CollectorRegistry

    from orchestrator.serving.access import split_host

    host, port = split_host(listen)
    await client.describe()  # whoever starts it hears of a deployment that is not there
    registry = CollectorRegistry()
    registry.register(_Asking(client, asyncio.get_running_loop()))
    with _server(registry, host, port) as actual_port:
        click.echo(f"metrics at http://{host}:{actual_port}/metrics; Ctrl-C ends it", err=True)
        with suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
            await asyncio.Event().wait()


@contextmanager
def _server(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another port"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Fixed:
    """Metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        """Give them."""
        return self._metrics


class _Asking:
    """Asks the deployment for each scrape, from the thread that serves it."""

    def __init__(self, client: DeploymentClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: names would be asked for at the start."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask, and give what came."""
        from orchestrator.views.metrics import metrics_of

        asked = asyncio.run_coroutine_threadsafe(_measure(self._client), self._loop)
        yield from metrics_of(asked.result(SCRAPE_S))
