"""`podnet logs`: what pods wrote, of many pods in one stream, in the order of time.

Owns the verb's options and how a line looks: each behind its pod's name, in the colour that `podnet
up` gives it. Where lines are kept and for how long is the node's business.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing, suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import json_line, lines_format_option, since_option, until_option
from orchestrator.cli.pictures import COLOURS, RED, log_lines
from orchestrator.cli.reaching import reaching_without_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import LogOrder
    from pod_node.records import LogLines

_ALL = "all"


def _read_tail(context: click.Context, parameter: click.Parameter, text: str) -> int | None:
    if text == _ALL:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise click.BadParameter(
            f'"{text}" is no number of lines; write for example 100, or all', context, parameter
        )
    return int(text)


@click.command("logs", short_help="Show what pods wrote.")
@click.argument("targets", nargs=-1, metavar="[SERVICE|POD]...")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@since_option
@until_option
@click.option(
    "-n",
    "--tail",
    callback=_read_tail,
    default=_ALL,
    show_default=True,
    metavar="N",
    help="Begin with the last N lines of each pod.",
)
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line was written.")
@click.option("--no-color", is_flag=True, help="Without colours.")
@click.option("--no-log-prefix", is_flag=True, help="Without the names of the pods.")
@lines_format_option
@reaching_without_t
def command(
    reach: Reach,
    targets: tuple[str, ...],
    follow: bool,
    since_s: float | None,
    until_s: float | None,
    tail: int | None,
    timestamps: bool,
    no_color: bool,
    no_log_prefix: bool,
    form: str,
) -> None:
    """Show what pods wrote since the deployment began: those of services, some pods, or all.

    Lines of several pods come in the order of time. With -f, pods that are restarted, replaced or
    added later are followed too; it ends with the deployment or with Ctrl-C.
    """
    from orchestrator.views.deployment import LogOrder

    if follow and until_s is not None:
        raise click.UsageError("give -f or --until, not both")
    order = LogOrder(targets=targets, follow=follow, tail=tail, since_s=since_s, until_s=until_s)
    colours = not no_color and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    show = _Json() if form == "json" else _Text(timestamps, colours, prefix=not no_log_prefix)
    reach.follow(lambda client: _show(client, order, show))


class _Json:
    """One object for each line."""

    def names(self, pods: Sequence[str]) -> None:
        """The names are in every object."""

    def lost(self, count: int) -> str:
        return json_line({"lost_lines": count}) + "\n"

    def lines(self, lines: LogLines) -> str:
        from orchestrator.views.moments import moment_text

        facts: dict[str, object] = {
            "time": moment_text(lines.time_s),
            "service": lines.pod.rpartition("-")[0],
            "pod": lines.pod,
            "stream": lines.stream,
        }
        texts = (line.decode("utf-8", "replace") for line in lines.lines)
        return "".join(json_line(facts | {"line": text}) + "\n" for text in texts)


class _Text:
    """One line for each line."""

    def __init__(self, timestamps: bool, colours: bool, *, prefix: bool) -> None:
        self._timestamps, self._colours, self._prefix = timestamps, colours, prefix
        self._colour_of: dict[str, int] = {}
        self._width = 0

    def names(self, pods: Sequence[str]) -> None:
        for pod in pods:
            self._colour(pod)
        self._width = max(map(len, pods), default=0)

    def lost(self, count: int) -> str:
        click.echo(f"podnet: {count} lines of logs were left out; read too slowly", err=True)
        return ""

    def lines(self, lines: LogLines) -> str:
        self._width = max(self._width, len(lines.pod))
        colour = None
        if self._colours:
            colour = RED if lines.stream == "podnet" else self._colour(lines.pod)
        stamp = ""
        if self._timestamps:
            moment = datetime.fromtimestamp(lines.time_s).astimezone()
            stamp = moment.isoformat(timespec="milliseconds") + " "
        return log_lines(
            lines.pod if self._prefix else None,
            lines.lines,
            width=self._width,
            colour=colour,
            stamp=stamp,
        )

    def _colour(self, pod: str) -> int:
        return self._colour_of.setdefault(pod, COLOURS[len(self._colour_of) % len(COLOURS)])


async def _show(client: DeploymentClient, order: LogOrder, show: _Json | _Text) -> None:
    from orchestrator.codec import DeploymentLostError

    with suppress(asyncio.CancelledError):  # Ctrl-C is how following is meant to end
        view = await client.describe()
        show.names([pod.spec.name for pod in view.pods])
        try:
            async with aclosing(client.logs(order)) as chunks:
                async for lines, lost in chunks:
                    text = (show.lost(lost) if lost else "") + show.lines(lines)
                    sys.stdout.write(text)
                    sys.stdout.flush()
        except DeploymentLostError:
            if not order.follow:
                raise
            click.echo(f'podnet: deployment "{view.name}" has ended', err=True)
