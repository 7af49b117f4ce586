"""`podnet events`: what happens to a running deployment, a line each, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views import DeploymentEvent


@click.command("events", short_help="Report what happens to a deployment.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines for people, or one JSON object a line.",
)
@reaching
def command(reach: Reach, form: str) -> None:
    """Report what happens to a deployment from now on, until it ends or Ctrl-C."""
    reach.follow(lambda client: _follow(client, form))


async def _follow(client: DeploymentClient, form: str) -> None:
    with suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
        async with aclosing(client.events()) as events:
            async for event in events:
                click.echo(_json(event) if form == "json" else _line(event))


def _line(event: DeploymentEvent) -> str:
    time = datetime.fromtimestamp(event.time_s).astimezone()
    return f"{time:%H:%M:%S.%f}"[:-3] + f" {event.text}"


def _json(event: DeploymentEvent) -> str:
    return json.dumps(
        {
            "sequence": event.sequence,
            "time_s": event.time_s,
            "event": type(event.happening).__name__,
            "text": event.text,
        }
    )
