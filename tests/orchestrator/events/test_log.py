from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from orchestrator.events.happenings import TYPES, facts_of
from orchestrator.events.log import KEPT_EVENTS, WAITING_EVENTS, EventLog
from orchestrator.events.wording import egress_text
from orchestrator.views.deployment import (
    EventOrder,
    FaultBegun,
    FaultView,
    PodShown,
    Refused,
    Remarked,
    Synced,
)
from orchestrator.views.phases import Phase, PodView
from tests.support.pods import make_spec
from vnet.configuration import FaultKind
from vnet.egress import Decision, EgressAttempt, EgressEnded, Ending

ALLOWED = EgressAttempt(
    number=1,
    pod="api-1",
    service="api",
    target="example.com",
    port=443,
    decision=Decision.ALLOWED,
    rule="*:443",
)
DENIED = replace(ALLOWED, decision=Decision.DENIED, rule="", reason="no rule allows it")
ENDED = EgressEnded(
    number=1,
    pod="api-1",
    service="api",
    target="example.com",
    port=443,
    ending=Ending.RESET,
    sent_bytes=10,
    received_bytes=20,
    duration_s=1.5,
)


def test_who_watches_up_hears_of_what_may_not_leave_and_not_of_the_rest() -> None:
    notices: list[str] = []
    events = EventLog(lambda: 5.0, notices.append)
    for happening in (ALLOWED, DENIED, ENDED):
        events.tell(egress_text(happening), happening)
    assert notices == ["api-1 to example.com:443: denied, no rule allows it"]
    assert egress_text(ALLOWED) == "api-1 to example.com:443: allowed, by *:443"
    assert egress_text(ENDED) == (
        "api-1 to example.com:443: reset after 1.5s, 10 bytes sent, 20 received"
    )


def shown(pod: str, **changes: object) -> PodShown:
    return PodShown(replace(PodView(spec=make_spec(pod)), **changes))  # type: ignore[arg-type]


def log(times: list[float]) -> EventLog:
    """A log whose clock tells these times, each once, then the last one for ever."""
    return EventLog(lambda: times.pop(0) if len(times) > 1 else times[0], lambda _: None)


async def told(events: EventLog, order: EventOrder) -> list[str]:
    """What somebody hears who listens until the log is closed."""
    heard: list[str] = []
    async with aclosing(events.listen(order)) as listening:
        async for event in listening:
            heard.append(event.text)
            if len(heard) == 100:
                break
    return heard


async def test_what_has_happened_is_told_from_the_time_that_is_asked_for() -> None:
    events = log([1.0, 2.0, 3.0, 4.0, 100.0])
    for text in "abcd":
        events.tell(text, Remarked())
    assert await told(events, EventOrder(since_s=2.0, until_s=3.0)) == ["b", "c"]
    assert await told(events, EventOrder(until_s=50.0)) == []


async def test_who_asks_for_what_was_and_what_comes_hears_each_event_once() -> None:
    events = log([1.0])
    events.tell("before", Remarked())
    async with aclosing(events.listen(EventOrder(since_s=0.0))) as listening:
        assert (await anext(listening)).text == "before"
        events.tell("after", Remarked())
        assert (await anext(listening)).text == "after"
        events.close()
        assert await anext(listening, None) is None


async def test_only_the_latest_events_are_kept() -> None:
    events = log([1.0, 2.0])
    for number in range(KEPT_EVENTS + 5):
        events.tell(str(number), Remarked())
    async with aclosing(events.listen(EventOrder(since_s=0.0, until_s=2.0))) as listening:
        first = await anext(listening)
    assert (first.text, first.sequence) == ("5", 6)


async def test_events_are_chosen_by_type_and_by_whom_they_concern() -> None:
    events = log([1.0, 1.0, 1.0, 1.0, 1.0, 9.0])
    events.tell("web", shown("web-1"))
    events.tell("api", shown("api-1"))
    events.tell("remark", Remarked())
    fault = FaultView(name="f", kind=FaultKind.CUT, sides=(("web-2",), ("api",)))
    events.tell("fault", FaultBegun(fault))
    past = EventOrder(since_s=0.0, until_s=5.0)
    assert await told(events, replace(past, types=frozenset({"pod"}))) == ["web", "api"]
    assert await told(events, replace(past, members=frozenset({"web"}))) == ["web", "fault"]
    assert await told(events, replace(past, members=frozenset({"api-1"}))) == ["api"]


async def test_a_listener_can_begin_with_everything_as_it_stands() -> None:
    events = log([1.0])
    order = EventOrder(initial_state=True, members=frozenset({"web"}))
    standing = [("web", shown("web-1", phase=Phase.HEALTHY)), ("api", shown("api-1"))]
    async with aclosing(events.listen(order, lambda: standing)) as listening:
        first, second = await anext(listening), await anext(listening)
    assert (first.facts.type, first.facts.action, first.facts.pod) == ("pod", "existing", "web-1")
    assert first.facts.attributes["phase"] == "healthy"
    assert second.facts.action == "synced"


async def test_a_listener_that_is_too_slow_is_told_what_it_missed() -> None:
    events = log([1.0])
    async with aclosing(events.listen()) as listening:
        waiting = asyncio.ensure_future(anext(listening))  # noqa: TID251 - awaited below
        await asyncio.sleep(0)
        events.tell("first", Remarked())
        assert (await waiting).text == "first"
        for number in range(WAITING_EVENTS + 3):
            events.tell(str(number), Remarked())
        lost = await anext(listening)
        assert (lost.facts.action, lost.facts.attributes) == ("events-lost", {"count": "3"})
        assert await anext(listening, None) is None


def actions(*happenings: PodShown) -> list[str]:
    facts = []
    before = None
    for happening in happenings:
        facts.append(facts_of(happening, before).action)
        before = happening.view
    return facts


def test_the_action_of_a_pod_is_its_phase_or_what_else_changed() -> None:
    assert actions(
        shown("web-1", phase=Phase.RUNNING),
        shown("web-1", phase=Phase.RUNNING, paused=True),
        shown("web-1", phase=Phase.RUNNING),
        shown("web-1", phase=Phase.RUNNING, reason="slow"),
        shown("web-1", phase=Phase.RUNNING, full_disk="/"),
        shown("web-1", phase=Phase.RUNNING),
        shown("web-1", phase=Phase.CRASH_LOOP),
    ) == ["running", "paused", "resumed", "updated", "disk-full", "updated", "crash-loop"]


def test_every_type_is_on_the_list_of_types() -> None:
    happenings = (ALLOWED, DENIED, ENDED, Remarked(), Synced(), Refused("p", "r"), shown("web-1"))
    for happening in happenings:
        assert facts_of(happening).type in TYPES


def test_facts_say_all_that_there_is_and_nothing_empty() -> None:
    facts = facts_of(DENIED)
    assert (facts.type, facts.action, facts.service, facts.pod) == (
        "egress",
        "denied",
        "api",
        "api-1",
    )
    assert facts.attributes["reason"] == "no rule allows it"
    assert all(facts.attributes.values())
