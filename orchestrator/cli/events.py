"""`podnet events`: what happens to a running deployment, a line each, until Ctrl-C.

Owns the verb's options and both forms of a line. The words of types and actions are
`happenings.py`'s, and docs/events.md lists them.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import json_line, lines_format_option, since_option, until_option
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import DeploymentEvent, EventOrder


def _read_types(
    context: click.Context, parameter: click.Parameter, words: tuple[str, ...]
) -> tuple[str, ...]:
    from orchestrator.events.happenings import TYPES
    from orchestrator.topology.problems import quoted, suggestion

    for word in words:
        if word not in TYPES:
            hint = suggestion(word, TYPES, what="types")
            raise click.BadParameter(f"no event has the type {quoted(word)}; {hint}")
    return words


@click.command("events", short_help="Report what happens to a deployment.")
@click.argument("members", nargs=-1, metavar="[SERVICE|POD]...")
@since_option
@until_option
@click.option(
    "--type",
    "types",
    callback=_read_types,
    multiple=True,
    metavar="TYPE",
    help="Only such events: pod, service, link, fault, egress, node, access or deployment.",
)
@click.option("--initial-state", is_flag=True, help="Begin with everything as it stands.")
@lines_format_option
@reaching
def command(
    reach: Reach,
    members: tuple[str, ...],
    since_s: float | None,
    until_s: float | None,
    types: tuple[str, ...],
    initial_state: bool,
    form: str,
) -> None:
    """Report what happens to a deployment, or to some services and pods of it.

    Goes on until the deployment ends, --until or Ctrl-C. With --since, begins with what has
    happened: the last 8192 events are kept.
    """
    from orchestrator.views.deployment import EventOrder

    order = EventOrder(
        since_s=since_s,
        until_s=until_s,
        initial_state=initial_state,
        types=frozenset(types),
        members=frozenset(members),
    )
    reach.follow(lambda client: _follow(client, order, form))


async def _follow(client: DeploymentClient, order: EventOrder, form: str) -> None:
    with suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
        async with aclosing(client.events(order)) as events:
            async for event in events:
                click.echo(_json(event) if form == "json" else _line(event))


def _line(event: DeploymentEvent) -> str:
    time = datetime.fromtimestamp(event.time_s).astimezone()
    return f"{time:%H:%M:%S.%f}"[:-3] + f" {event.text}"


def _json(event: DeploymentEvent) -> str:
    from orchestrator.views.moments import moment_text

    facts = event.facts
    return json_line(
        {
            "sequence": event.sequence,
            "time": moment_text(event.time_s),
            "type": facts.type,
            "action": facts.action,
            "service": facts.service or None,
            "pod": facts.pod or None,
            "attributes": dict(facts.attributes),
            "text": event.text,
        }
    )
