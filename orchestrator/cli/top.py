"""`podnet top`: what pods use, right now and again.

Owns the verb's options and the live display. On a terminal, the table takes the place of what was
there and gives it back at the end; elsewhere, one table follows another.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, json_line, read_duration
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from orchestrator.cli.rates import Sample
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import DeploymentView

_SHORT_S = 0.2
"""Between the two samples of a single table, whose rates are of this time."""


@click.command("top", short_help="Show what pods use, live.")
@click.argument("members", nargs=-1, metavar="[SERVICE|POD]...")
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
@click.option("--no-stream", is_flag=True, help="Show one table at once and stop.")
@format_option
@reaching
def command(
    reach: Reach,
    members: tuple[str, ...],
    interval_s: float,
    count: int | None,
    no_stream: bool,
    form: str,
) -> None:
    """Show what each pod uses, or those of some services and pods, until Ctrl-C or -n.

    CPU is a share of one core; memory is the pod's linear memory and its limit, "network" what its
    sockets hold of the node's memory. Away from a terminal and without -n, one table is shown. JSON
    is one object a line for each table.
    """
    live = sys.stdout.isatty() and form == "table" and not no_stream
    limit = 1 if no_stream else count or (None if live else 1)
    interval_s = min(interval_s, _SHORT_S) if no_stream else interval_s
    write = _json if form == "json" else _text
    with _display(live=live) as show:
        reach.follow(lambda client: _watch(client, members, interval_s, limit, write, show))


def _display(*, live: bool) -> AbstractContextManager[Callable[[str], None]]:
    if not live:
        return nullcontext(lambda text: click.echo(text))
    from orchestrator.cli.live import live_text

    return live_text()


async def _watch(
    client: DeploymentClient,
    members: Sequence[str],
    interval_s: float,
    count: int | None,
    write: Callable[[DeploymentView, Sample, Sample], str],
    show: Callable[[str], None],
) -> None:
    with suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
        before = await _sample(client)
        shown = 0
        while count is None or shown < count:
            await asyncio.sleep(interval_s)
            now = await _sample(client)
            show(write(_only(await client.describe(), members), before, now))
            before = now
            shown += 1


def _only(view: DeploymentView, members: Sequence[str]) -> DeploymentView:
    """Leave out the pods that nobody asked for.

    Raises:
        UnknownNameError: there is nobody of a name.
    """
    from orchestrator.cli.selection import Selection

    if not members:
        return view
    chosen = {pod.spec.name for name in members for pod in Selection(view, (), name).pods}
    return replace(view, pods=tuple(pod for pod in view.pods if pod.spec.name in chosen))


async def _sample(client: DeploymentClient) -> Sample:
    from orchestrator.cli.rates import Sample

    usage = await client.statistics()
    return Sample(usage, await client.network_statistics(flows=False))


def _text(view: DeploymentView, before: Sample, now: Sample) -> str:
    from orchestrator.cli.figures import size_text
    from orchestrator.cli.pictures import table
    from orchestrator.cli.rates import node_cpu
    from orchestrator.cli.use import HEADINGS, table_rows, uses

    usage = now.usage
    head = (
        f"{view.name}: {usage.running_pods} pods run; the node uses "
        f"{node_cpu(before, now):.0%} of a core, {size_text(usage.process.resident_bytes)} of "
        f"memory, {size_text(usage.fabric_used_bytes)} of them for the network\n"
    )
    return head + table([HEADINGS, *table_rows(uses(view, before, now))], colours=False)


def _json(view: DeploymentView, before: Sample, now: Sample) -> str:
    from orchestrator.cli.rates import node_cpu
    from orchestrator.cli.use import uses
    from orchestrator.views.moments import moment_text

    usage = now.usage
    return json_line(
        {
            "time": moment_text(usage.process.time_s),
            "deployment": view.name,
            "node": {
                "cpu_cores": node_cpu(before, now),
                "cpu_time_s": usage.process.cpu_time_s,
                "resident_bytes": usage.process.resident_bytes,
                "fabric_used_bytes": usage.fabric_used_bytes,
                "fabric_limit_bytes": usage.fabric_limit_bytes,
                "memory_maps": usage.process.memory_maps,
                "running_pods": usage.running_pods,
            },
            "pods": uses(view, before, now),
        }
    )
