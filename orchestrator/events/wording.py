"""What happens to a deployment's network, in one line for people. Pure."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from orchestrator.topology.link_text import summary
from vnet.configuration import FaultKind
from vnet.egress import EgressAttempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.network.changes import PodVerb
    from orchestrator.views.deployment import FaultView, LinkView
    from vnet.egress import EgressHappening

_MINUTE_S = 60
_HOUR_MINUTES = 60
_PAST = {"kill": "killed", "pause": "paused", "resume": "resumed"}
_ENDED = {FaultKind.CUT: "healed", FaultKind.HOLD: "released"}


def link_text(view: LinkView) -> str:
    """Say what a link is like now."""
    forward, backward = summary(view.forward) or "perfect", summary(view.backward) or "perfect"
    if forward == backward:
        return f"link {view.name}: {forward}{_for(view.remaining_s)}"
    ways = f"{view.first} to {view.second}: {forward}; {view.second} to {view.first}: {backward}"
    return f"link {view.name}: {ways}{_for(view.remaining_s)}"


def fault_text(view: FaultView) -> str:
    """Say what a partition or a hold does."""
    sides = [", ".join(side) for side in view.sides]
    verb = "lost" if view.kind is FaultKind.CUT else "held"
    if view.oneway:
        what = f"what {sides[0]} sends to {sides[1]} is {verb}"
    else:
        what = f"traffic between {' | '.join(sides)} is {verb}"
    return f"{view.name}: {what}{_for(view.remaining_s)}"


def ended_text(name: str, kind: FaultKind) -> str:
    """Say that a partition or a hold is over."""
    return f"{name}: {_ENDED[kind]}"


def action_text(verb: PodVerb, pods: Sequence[str], duration_s: float | None = None) -> str:
    """Say what was done to pods."""
    return f"{_PAST[verb.value]}: {', '.join(pods)}{_for(duration_s)}"


def signal_text(number: int, pods: Sequence[str]) -> str:
    """Say that pods were sent a signal."""
    return f"sent {signal.Signals(number).name[3:]} to {', '.join(pods)}"


def egress_text(happening: EgressHappening) -> str:
    """Say what became of an attempt to reach something outside."""
    port = f":{happening.port}" if happening.port else ""
    text = f"{happening.pod} to {happening.target}{port}: "
    if isinstance(happening, EgressAttempt):
        why = f"by {happening.rule}" if happening.rule and not happening.reason else ""
        why = happening.reason or why
        return text + happening.decision.value + (f", {why}" if why else "")
    sent, received = happening.sent_bytes, happening.received_bytes
    took = rounded_duration(happening.duration_s)
    return text + f"{happening.ending.value} after {took}, {sent} bytes sent, {received} received"


def rounded_duration(seconds: float) -> str:
    """Write a time that is left, as exactly as a person wants to know it."""
    # What is rounded up to the next unit is written in it: 59.97 s are a minute.
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f}ms"
    if round(seconds, 1) < _MINUTE_S:
        return f"{round(seconds, 1):g}s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    hours, minutes = divmod(minutes, _HOUR_MINUTES)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def _for(seconds: float | None) -> str:
    return "" if seconds is None else f", for {rounded_duration(seconds)}"
