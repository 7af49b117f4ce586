"""What happens to a running deployment, numbered and handed to whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.views import DeploymentEvent, DeploymentHappening, PodShown
from pod_node.fanout import Fanout
from pod_node.status import EventsLost
from vnet.egress import Decision, EgressAttempt, EgressEnded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

WAITING_EVENTS = 8192
"""Events that a slow listener may have waiting: several for each of a thousand pods."""


class EventLog:
    """One deployment's events; nothing is kept of those that are over."""

    def __init__(self, wall: Callable[[], float], notice: Callable[[str], None]) -> None:
        """Begin with event 1.

        Args:
            wall: Tells the time, in seconds since the epoch.
            notice: Takes the text of what `podnet up` does not show otherwise.
        """
        self._wall = wall
        self._notice = notice
        self._fanout: Fanout[DeploymentEvent] = Fanout(WAITING_EVENTS)
        self._sequence = 0

    def tell(self, text: str, happening: DeploymentHappening) -> None:
        """Hand an event to everybody who listens."""
        self._sequence += 1
        self._fanout.publish(self._event(text, happening))
        if not _is_quiet(happening):
            self._notice(text)

    async def listen(self) -> AsyncGenerator[DeploymentEvent, None]:
        """Report what happens from now on; ends with `EventsLost` when read too slowly."""
        with self._fanout.subscribe() as subscription:
            async for event in subscription:
                if lost := subscription.lost:
                    yield self._event(f"{lost} events are missing here", EventsLost(lost))
                    return
                yield event

    def close(self) -> None:
        """End every listener's stream."""
        self._fanout.close()

    def _event(self, text: str, happening: DeploymentHappening) -> DeploymentEvent:
        return DeploymentEvent(
            sequence=self._sequence, time_s=self._wall(), text=text, happening=happening
        )


def _is_quiet(happening: DeploymentHappening) -> bool:
    """Whether `podnet up` shows it otherwise, or it happens all the time where all is well."""
    if isinstance(happening, EgressAttempt):
        return happening.decision is Decision.ALLOWED
    return isinstance(happening, (PodShown, EgressEnded))
