"""What happens to a running deployment: numbered, kept for a while, handed to whoever listens."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.events.happenings import existing, facts_of
from orchestrator.events.tallies import Tallies
from orchestrator.views.deployment import (
    DeploymentEvent,
    DeploymentHappening,
    EventOrder,
    FaultBegun,
    LinkShown,
    PlanTaken,
    PodDropped,
    PodShown,
)
from pod_node.fanout import Fanout
from pod_node.status import EventsLost, Synced
from vnet.egress import Decision, EgressAttempt, EgressEnded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

    from orchestrator.events.happenings import EventFacts
    from orchestrator.views.phases import PodView

WAITING_EVENTS = 8192
"""Events that a slow listener may have waiting: several for each of a thousand pods."""
KEPT_EVENTS = 8192
"""Events that are kept for those who ask for earlier ones: a few megabytes."""

Existing = PodShown | LinkShown | FaultBegun


class EventLog:
    """One deployment's events; the latest are kept."""

    def __init__(self, wall: Callable[[], float], notice: Callable[[str], None]) -> None:
        """Begin with event 1.

        Args:
            wall: Tells the time, in seconds since the epoch.
            notice: Takes the text of what `podnet up` does not show otherwise.
        """
        self._wall = wall
        self._notice = notice
        self._fanout: Fanout[DeploymentEvent] = Fanout(WAITING_EVENTS)
        self._kept: deque[DeploymentEvent] = deque(maxlen=KEPT_EVENTS)
        self._pods: dict[str, PodView] = {}
        self._sequence = 0
        self.tallies = Tallies()

    def tell(self, text: str, happening: DeploymentHappening) -> None:
        """Hand an event to everybody who listens."""
        self._sequence += 1
        before = None
        if isinstance(happening, PodShown):
            name = happening.view.spec.name
            before, self._pods[name] = self._pods.get(name), happening.view
        event = self._event(text, happening, facts_of(happening, before))
        self.tallies.count(event.facts, happening)
        self._kept.append(event)
        self._fanout.publish(event)
        if not _is_quiet(happening):
            self._notice(text)

    async def listen(
        self,
        order: EventOrder | None = None,
        standing: Callable[[], Iterable[tuple[str, Existing]]] = lambda: (),
    ) -> AsyncGenerator[DeploymentEvent, None]:
        """Report what is wanted; ends with `EventsLost` when read too slowly.

        Args:
            order: What is wanted; None is everything that happens from now on.
            standing: Says in words and values what there is now.
        """
        order = order or EventOrder()
        with self._fanout.subscribe() as subscription:
            # Nothing happens between here and the end of these lines: no event is told twice.
            first = [*self._standing(order, standing), *self._since(order.since_s)]
            for event in first:
                if _is_over(event, order):
                    return
                if order.wants(event.facts):
                    yield event
            async with aclosing(subscription.__aiter__()) as events:
                while (fresh := await self._next(events, order)) is not None:
                    if lost := subscription.lost:
                        yield self._stated(f"{lost} events are missing here", EventsLost(lost))
                        return
                    if order.wants(fresh.facts):
                        yield fresh

    def close(self) -> None:
        """End every listener's stream."""
        self._fanout.close()

    def _standing(
        self, order: EventOrder, standing: Callable[[], Iterable[tuple[str, Existing]]]
    ) -> Iterator[DeploymentEvent]:
        if not order.initial_state:
            return
        for text, happening in standing():
            yield self._event(text, happening, existing(happening))
        yield self._stated("this is how everything stands", Synced())

    def _since(self, since_s: float | None) -> list[DeploymentEvent]:
        if since_s is None:
            return []
        return [event for event in self._kept if event.time_s >= since_s]

    async def _next(
        self, events: AsyncGenerator[DeploymentEvent, None], order: EventOrder
    ) -> DeploymentEvent | None:
        """Wait for an event; None when there will be none that is wanted."""
        left = None if order.until_s is None else max(0.0, order.until_s - self._wall())
        try:
            async with asyncio.timeout(left):
                event = await anext(events, None)
        except TimeoutError:
            return None
        return None if event is None or _is_over(event, order) else event

    def _stated(self, text: str, happening: Synced | EventsLost) -> DeploymentEvent:
        return self._event(text, happening, facts_of(happening))

    def _event(
        self, text: str, happening: DeploymentHappening, facts: EventFacts
    ) -> DeploymentEvent:
        return DeploymentEvent(
            sequence=self._sequence,
            time_s=self._wall(),
            text=text,
            happening=happening,
            facts=facts,
        )


def _is_over(event: DeploymentEvent, order: EventOrder) -> bool:
    return order.until_s is not None and event.time_s > order.until_s


def _is_quiet(happening: DeploymentHappening) -> bool:
    """Whether `podnet up` shows it otherwise, or it happens all the time where all is well."""
    if isinstance(happening, EgressAttempt):
        return happening.decision is Decision.ALLOWED
    return isinstance(happening, (PodShown, PodDropped, PlanTaken, EgressEnded))
