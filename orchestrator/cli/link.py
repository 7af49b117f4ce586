"""`podnet link set|show|reset`: links of a running deployment, as they are and as they should be.

Owns the verbs' options and layout. What a parameter means and whether a link can have it is worked
out where topologies are read: the same words have the same meaning in a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json, read_duration
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import LinkView

PARAMETERS = {
    "delay": ("TIME", "Time that every packet takes, for example 20ms."),
    "jitter": ("TIME", "How much the delay varies."),
    "distribution": ("NAME", "Of the jitter: uniform, normal, pareto or paretonormal."),
    "loss": ("SHARE", "Packets lost at random, for example 0.1%."),
    "rate": ("RATE", "Bits that pass in a second, for example 10mbit."),
    "limit": ("PACKETS", "Packets that may wait for the rate."),
    "mtu": ("BYTES", "Largest packet that passes whole."),
    "duplicate": ("SHARE", "Packets that arrive twice."),
    "reorder": ("SHARE", "Packets that skip the delay."),
    "corrupt": ("SHARE", "Packets that arrive with a wrong bit."),
    "gemodel": ("P R [1-H [1-K]]", 'Loss in bursts, for example "1% 10%".'),
}
"""netem's, each with its metavar and its help."""

network_option = click.option(
    "--network", metavar="NAME", help="Where the two share several networks: which one."
)


def _parameter_options(verb: Callable[..., object]) -> Callable[..., object]:
    for name, (metavar, text) in reversed(PARAMETERS.items()):
        verb = click.option(f"--{name}", metavar=metavar, help=text)(verb)
    return verb


@click.group("link", short_help="Show and change links.")
def command() -> None:
    """Show and change the links of a running deployment."""


@command.command("set", short_help="Change some parameters of a link.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_parameter_options
@click.option(
    "--direction",
    type=click.Choice(["both", "forward", "backward"]),
    default="both",
    show_default=True,
    help="Which way; forward is from A to B.",
)
@click.option(
    "--duration",
    "duration_s",
    callback=read_duration,
    metavar="TIME",
    help="Take the change back by itself after this time, for example 30s.",
)
@network_option
@format_option
@reaching
def set_link(
    reach: Reach,
    /,
    first: str,
    second: str,
    direction: str,
    duration_s: float | None,
    network: str | None,
    form: str,
    **parameters: str | None,
) -> None:
    """Change the link between the services or pods A and B.

    Only what is given changes; 0 switches a parameter off. Where the topology declares no link, one
    is made, as long as the two share a network.
    """
    from orchestrator.events.wording import link_text
    from orchestrator.network.changes import SetLink
    from orchestrator.topology.link_options import parse_change
    from orchestrator.topology.values import LinkDirection

    given = {name: text for name, text in parameters.items() if text is not None}
    if not given:
        raise click.UsageError("nothing to change; give for example --delay 20ms")
    wanted = SetLink(
        first=first,
        second=second,
        network=network,
        change=parse_change(given),
        direction=LinkDirection(direction),
        duration_s=duration_s,
    )
    link = reach.call(lambda client: client.set_link(wanted))
    if form == "json":
        print_json(link)
    else:
        click.echo(link_text(link))


@command.command("show", short_help="List links with their parameters.")
@click.argument("first", metavar="[A", required=False)
@click.argument("second", metavar="B]", required=False)
@network_option
@format_option
@reaching
def show_links(
    reach: Reach, first: str | None, second: str | None, network: str | None, form: str
) -> None:
    """List all links as they are now, or the one that holds between A and B."""
    links = reach.call(lambda client: _find(client, first, second, network))
    if form == "json":
        print_json(links)
    elif links:
        _print_table(links)
    else:
        between = "" if first is None else f" between {first} and {second}"
        click.echo(f"there is no link{between}; packets pass at once and unharmed")


async def _find(
    client: DeploymentClient, first: str | None, second: str | None, network: str | None
) -> list[LinkView]:
    if first is None:
        return await client.links()
    if second is None:
        raise click.UsageError("give both ends of the link, or none")
    return await client.link(first, second, network)


@command.command("reset", short_help="Take changes of links back.")
@click.argument("first", metavar="[A", required=False)
@click.argument("second", metavar="B]", required=False)
@click.option("--all", "every", is_flag=True, help="Reset all links.")
@network_option
@format_option
@reaching
def reset_links(
    reach: Reach,
    first: str | None,
    second: str | None,
    every: bool,
    network: str | None,
    form: str,
) -> None:
    """Give the link between A and B, or all, the parameters that the topology declares."""
    from orchestrator.network.changes import ResetLink, ResetLinks

    if every is (first is not None):
        raise click.UsageError("give either the two ends of a link or --all")
    wanted: ResetLink | ResetLinks = ResetLinks()
    if first is not None:
        if second is None:
            raise click.UsageError("give both ends of the link")
        wanted = ResetLink(first=first, second=second, network=network)
    names = reach.call(lambda client: client.reset_links(wanted))
    if form == "json":
        print_json(names)
    else:
        click.echo(f"reset: {', '.join(names)}" if names else "nothing had been changed")


def _print_table(links: Sequence[LinkView]) -> None:
    from orchestrator.cli.pictures import table
    from orchestrator.topology.link_text import summary

    rows = [("LINK", "NETWORK", "FROM", "TO", "PARAMETERS", "STATE")]
    for link in links:
        name = f"{link.first} -- {link.second}"
        forward, backward = summary(link.forward) or "-", summary(link.backward) or "-"
        rows.append((name, link.network, link.first, link.second, forward, _state(link)))
        rows.append(("", "", link.second, link.first, backward, ""))
    click.echo(table(rows, colours=False), nl=False)


def _state(link: LinkView) -> str:
    from orchestrator.events.wording import rounded_duration

    if not link.changed:
        return "declared"
    text = "changed" if link.declared else "made"
    return (
        text if link.remaining_s is None else f"{text}, {rounded_duration(link.remaining_s)} left"
    )
