"""`podnet ping`: echo requests from one pod to another, as ping(8) shows them.

Owns the verb's options, its lines and its exit status: 0 when a reply came, 1 when none did.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option, print_json, read_duration
from orchestrator.cli.reaching import reaching

if TYPE_CHECKING:
    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import PingEnds
    from vnet.ping import NumberedEcho, PingPlan

_HEADER_BYTES = 8
_PAYLOAD_MOST = 65_507


@click.command("ping", short_help="Send echo requests from one pod to another.")
@click.argument("source", metavar="A")
@click.argument("target", metavar="B")
@click.option("-c", "count", type=click.IntRange(1), metavar="N", help="Stop after so many.")
@click.option(
    "-i",
    "interval_s",
    callback=read_duration,
    default="1s",
    show_default=True,
    metavar="TIME",
    help="Time from one request to the next.",
)
@click.option(
    "-s",
    "payload_bytes",
    type=click.IntRange(0, _PAYLOAD_MOST),
    default=56,
    show_default=True,
    metavar="BYTES",
    help="Payload of each.",
)
@click.option(
    "-W",
    "timeout_s",
    callback=read_duration,
    default="4s",
    show_default=True,
    metavar="TIME",
    help="How long to wait for each answer.",
)
@format_option
@reaching
@click.pass_context
def command(
    context: click.Context,
    reach: Reach,
    source: str,
    target: str,
    count: int | None,
    interval_s: float,
    payload_bytes: int,
    timeout_s: float,
    form: str,
) -> None:
    """Send echo requests from the pod A to the pod B, until Ctrl-C or -c.

    A and B may be services, of which the first replica that runs is taken; B may be an address. The
    times are those of the simulated network, exact to the nanosecond. Of a policy, rules that name
    ports let no echo pass.
    """
    from vnet.ping import PingPlan

    plan = PingPlan(
        count=count or 0,
        interval_s=interval_s,
        payload_bytes=payload_bytes,
        timeout_s=timeout_s,
    )
    report = _Report(plan, quiet=form == "json")
    reach.follow(lambda client: _ping(client, source, target, report))
    if form == "json":
        print_json(report.rows())
    else:
        click.echo(report.summary(), nl=False)
    context.exit(0 if report.answered else 1)


async def _ping(client: DeploymentClient, source: str, target: str, report: _Report) -> None:
    from orchestrator.views.deployment import PingEnds

    try:
        async with aclosing(client.ping(source, target, report.plan)) as steps:
            async for step in steps:
                if isinstance(step, PingEnds):
                    report.begin(step)
                else:
                    report.add(step)
    except asyncio.CancelledError:
        return  # Ctrl-C is how it is meant to end; the summary follows


class _Report:
    """What came of the requests so far."""

    def __init__(self, plan: PingPlan, *, quiet: bool) -> None:
        self.plan = plan
        self._quiet = quiet
        self._ends: PingEnds | None = None
        self._echoes: list[NumberedEcho] = []

    @property
    def answered(self) -> bool:
        """Whether a reply came."""
        return bool(self._times_ns())

    def begin(self, ends: PingEnds) -> None:
        """Say who asks whom."""
        self._ends = ends
        if not self._quiet:
            click.echo(
                f"PING {_called(ends.target, str(ends.target_address))} from "
                f"{_called(ends.source, str(ends.source_address))}: "
                f"{self.plan.payload_bytes} data bytes"
            )

    def add(self, echo: NumberedEcho) -> None:
        """Take what became of a request, and say it."""
        self._echoes.append(echo)
        if not self._quiet:
            click.echo(self._line(echo))

    def summary(self) -> str:
        """Sum up in words."""
        from orchestrator.topology.render import count

        if self._ends is None:
            return ""
        times = self._times_ns()
        lost = 100 * (1 - len(times) / len(self._echoes)) if self._echoes else 0.0
        name = self._ends.target or str(self._ends.target_address)
        text = f"\n--- {name} ping statistics ---\n"
        requests = count(len(self._echoes), "request")
        text += f"{requests}, {len(times)} answered, {lost:.4g}% lost\n"
        if times:
            rtts = "/".join(f"{value / 1e6:.3f}" for value in _figures(times).values())
            text += f"rtt min/avg/p50/p95/p99/max = {rtts} ms\n"
        return text

    def rows(self) -> dict[str, object]:
        """Sum up for programs."""
        times = self._times_ns()
        return {
            "ends": self._ends,
            "requests": len(self._echoes),
            "replies": len(times),
            "rtt_ns": _figures(times) if times else None,
            "echoes": [
                {"sequence": echo.sequence, "outcome": echo.result.outcome.value}
                | ({"rtt_ns": echo.result.rtt_ns} if _is_reply(echo) else {})
                | ({"policy": echo.result.policy} if echo.result.policy else {})
                for echo in self._echoes
            ],
        }

    def _line(self, echo: NumberedEcho) -> str:
        assert self._ends is not None, "ends come first"
        if not _is_reply(echo):
            return f"seq={echo.sequence} {echo.result.text}"
        size = self.plan.payload_bytes + _HEADER_BYTES
        time_ms = echo.result.rtt_ns / 1e6
        return (
            f"{size} bytes from {self._ends.target_address}: "
            f"seq={echo.sequence} time={time_ms:.3f} ms"
        )

    def _times_ns(self) -> list[int]:
        return sorted(echo.result.rtt_ns for echo in self._echoes if _is_reply(echo))


def _is_reply(echo: NumberedEcho) -> bool:
    from vnet.ping import EchoOutcome

    return echo.result.outcome is EchoOutcome.REPLY


def _figures(times: list[int]) -> dict[str, float]:
    """Least, mean, percentiles by nearest rank, and most of sorted times."""
    ranks = {f"p{share}": times[-(-share * len(times) // 100) - 1] for share in (50, 95, 99)}
    return {"min": times[0], "avg": sum(times) / len(times), **ranks, "max": times[-1]}


def _called(name: str, address: str) -> str:
    return f"{name} ({address})" if name else address
