"""What `podnet kill`, `pause` and `resume` have in common: the call, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import print_json

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.network.changes import PodVerb


def act(
    reach: Reach,
    verb: PodVerb,
    targets: tuple[str, ...],
    *,
    form: str,
    duration_s: float | None = None,
) -> None:
    """Act on pods and say on which."""
    from orchestrator.events.wording import action_text

    pods = reach.call(lambda client: client.act_on_pods(verb, targets, duration_s))
    if form == "json":
        print_json(pods)
    else:
        click.echo(action_text(verb, pods, duration_s))
