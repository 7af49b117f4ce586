"""What `podnet heal` and `podnet release` have in common: the choice of faults, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import print_json

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from vnet.configuration import FaultKind


def end_faults(reach: Reach, kind: FaultKind, name: str | None, *, every: bool, form: str) -> None:
    """End one fault of a kind, or all, and say which have ended."""
    from orchestrator.events.wording import ended_text

    if every and name is not None:
        raise click.UsageError("give a name or --all, not both")
    names = reach.call(lambda client: _end(client, kind, name, every=every))
    if form == "json":
        print_json(names)
        return
    for ended in names:
        click.echo(ended_text(ended, kind))
    if not names:
        click.echo("there was none")


async def _end(
    client: DeploymentClient, kind: FaultKind, name: str | None, *, every: bool
) -> list[str]:
    from orchestrator.network.changes import Mend

    if name is None and not every:
        active = [fault.name for fault in (await client.describe()).faults if fault.kind is kind]
        if len(active) > 1:
            raise click.UsageError(f"there are {', '.join(active)}; give a name or --all")
    return await client.mend(Mend(kind=kind, name=name))
