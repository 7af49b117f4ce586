"""`podnet top`: what pods use, right now and again.

Owns the verb's options and the live display. On a terminal, the table takes the place of what was
there and gives it back at the end; elsewhere, one table follows another.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import read_duration
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from orchestrator.cli.rates import Sample
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views import DeploymentView

Row = tuple[str, ...]

_HEADINGS = ("NAME", "STATE", "CPU", "RECEIVES", "SENDS", "RESTARTS")


@click.command("top", short_help="Show what pods use, live.")
@click.option(
    "-i",
    "interval_s",
    callback=read_duration,
    default="1s",
    show_default=True,
    metavar="TIME",
    help="Time between two tables.",
)
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help="Stop after so many tables.")
@reaching
def command(reach: Reach, interval_s: float, count: int | None) -> None:
    """Show each pod's state, its CPU and its traffic, until Ctrl-C or -n.

    CPU is a share of one core. Away from a terminal and without -n, one table is shown.
    """
    live = sys.stdout.isatty()
    limit = count or (None if live else 1)
    with _display(live=live) as show:
        reach.follow(lambda client: _watch(client, interval_s, limit, show))


def _display(*, live: bool) -> AbstractContextManager[Callable[[str], None]]:
    if not live:
        return nullcontext(lambda text: click.echo(text))
    from orchestrator.cli.live import live_text

    return live_text()


async def _watch(
    client: DeploymentClient, interval_s: float, count: int | None, show: Callable[[str], None]
) -> None:
    with suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
        before = await _sample(client)
        shown = 0
        while count is None or shown < count:
            await asyncio.sleep(interval_s)
            now = await _sample(client)
            show(_text(await client.describe(), before, now))
            before = now
            shown += 1


async def _sample(client: DeploymentClient) -> Sample:
    from orchestrator.cli.rates import Sample

    usage = await client.statistics()
    return Sample(usage, await client.network_statistics(flows=False))


def _text(view: DeploymentView, before: Sample, now: Sample) -> str:
    from orchestrator.cli.figures import size_text
    from orchestrator.cli.pictures import table
    from orchestrator.cli.rates import node_cpu

    usage = now.usage
    head = (
        f"{view.name}: {usage.running_pods} pods run; the node uses "
        f"{node_cpu(before, now):.0%} of a core, {size_text(usage.process.resident_bytes)} of "
        f"memory, {size_text(usage.fabric_used_bytes)} of them for the network\n"
    )
    return head + table([_HEADINGS, *_rows(view, before, now)], colours=False)


def _rows(view: DeploymentView, before: Sample, now: Sample) -> list[Row]:
    from orchestrator.cli.figures import rate_text
    from orchestrator.cli.rates import PodRates, pod_rates

    rates = pod_rates(before, now)
    rows: list[Row] = []
    for pod in view.pods:
        rate = rates.get(pod.spec.name, PodRates())
        rows.append(
            (
                pod.spec.name,
                pod.state,
                f"{rate.cpu:.1%}",
                rate_text(rate.received_bytes_s),
                rate_text(rate.sent_bytes_s),
                str(pod.restarts),
            )
        )
    return rows
