"""`podnet stats`: the same as `podnet top`, for those who know it from Docker."""

from __future__ import annotations

import click

from orchestrator.cli.top import command as top

command = click.Command(
    "stats",
    params=top.params,
    callback=top.callback,
    help=top.help,
    short_help="Show what pods use, live.",
)
