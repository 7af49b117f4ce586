from __future__ import annotations

from orchestrator.network.changes import Mend, Part, PodAction, PodVerb, ResetLink, SetLink
from orchestrator.network.impairments import Impairments
from orchestrator.network.schedule import Schedule, scheduled_changes
from orchestrator.topology.link_options import parse_change
from orchestrator.topology.values import LinkDirection
from tests.support.networks import topology
from vnet.configuration import FaultKind

DECLARED = topology(
    {"web": {}, "api": {"deploy": {"replicas": 2}}},
    schedule=[
        {"at": "1s", "partition": [["web"], ["api"]], "name": "cut", "duration": "9s"},
        {"at": "2s", "pause": "api", "duration": "2s"},
        {"at": "3s", "link": ["web", "api-2"], "set": {"delay": "1s"}, "direction": "forward"},
        {"at": "3s", "hold": [["web"], ["api"]], "oneway": True},
        {"at": "5s", "link": ["web", "api-2"], "reset": True},
        {"at": "6s", "heal": "cut"},
        {"at": "6s", "release": "all"},
        {"at": "7s", "kill": ["api-2", "web"]},
    ],
)
CHANGES = [
    (1, Part(kind=FaultKind.CUT, groups=(("web",), ("api",)), name="cut", duration_s=9.0)),
    (2, PodAction(verb=PodVerb.PAUSE, pods=("api-1", "api-2"), duration_s=2.0)),
    (
        3,
        SetLink(
            first="web",
            second="api-2",
            change=parse_change({"delay": "1s"}),
            direction=LinkDirection.FORWARD,
        ),
    ),
    (3, Part(kind=FaultKind.HOLD, groups=(("web",), ("api",)), oneway=True)),
    (5, ResetLink(first="web", second="api-2")),
    (6, Mend(kind=FaultKind.CUT, name="cut")),
    (6, Mend(kind=FaultKind.HOLD)),
    (7, PodAction(verb=PodVerb.KILL, pods=("api-2", "web-1"))),
]


def test_entries_become_changes_in_the_order_of_their_times() -> None:
    assert [(entry.at_s, entry.change) for entry in scheduled_changes(DECLARED)] == CHANGES


def test_each_change_is_due_once() -> None:
    schedule = Schedule(DECLARED, start_s=100)
    assert schedule.poll_at() == 101
    assert schedule.due(100.9) == ()
    assert len(schedule.due(102)) == 2
    assert schedule.due(102) == ()
    assert schedule.poll_at() == 103
    assert [*schedule.due(1000)] == [change for at, change in CHANGES if at > 2]
    assert schedule.poll_at() is None
    assert schedule.due(2000) == ()


def test_a_topology_without_a_schedule_has_nothing_to_wait_for() -> None:
    assert Schedule(topology({"web": {}}), start_s=0).poll_at() is None


def test_a_schedule_can_be_kept_from_begin_to_end() -> None:
    impairments, schedule = Impairments(DECLARED), Schedule(DECLARED, start_s=0)
    while (now := schedule.poll_at()) is not None:
        impairments.advance(now)
        for change in schedule.due(now):
            if not isinstance(change, PodAction):
                assert impairments.apply(change, now)
    assert (impairments.links(), impairments.faults()) == ((), ())
