"""Pods that went with their node, and those that were there before the machine was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.desired.plan import Condition
from orchestrator.lifecycle.events import (
    NodeLost,
)
from orchestrator.lifecycle.restart import RestartRecord
from orchestrator.views.phases import Phase
from pod_node.health import Health
from pod_node.status import (
    PodExisting,
    PodExited,
    PodState,
    PodStatus,
)
from tests.support.plans import planned_pod
from tests.support.pods import exited
from tests.support.rig import ALWAYS, CHECK, Rig, three, version

if TYPE_CHECKING:
    from orchestrator.desired.plan import PlannedPod


def test_pods_of_a_lost_node_start_again_in_order_and_say_why() -> None:
    pods = (
        planned_pod("api-1", check=CHECK),
        planned_pod("web-1", needs={"api": Condition.HEALTHY}),
        planned_pod("job-1"),
    )
    rig = Rig(*pods).begin().started("api-1", "job-1")
    rig.health("api-1", Health.HEALTHY)
    rig.started("web-1")
    rig.exit("job-1", 0)
    rig.send(NodeLost("node lost (signal SIGKILL)"))
    assert rig.phase("api-1") is Phase.WAITING
    rig.images.clear()
    rig.boots.clear()
    rig._generations.clear()
    assert rig.plan(*pods) == [
        "prepare image python: for 2 pods",
        "boot api-1: not there yet",
        "boot web-1: not there yet",
    ]
    rig.images_ready()
    assert rig.boots == ["api-1"]
    rig.started("api-1")
    rig.health("api-1", Health.HEALTHY)
    assert rig.boots == ["api-1", "web-1"]
    view = rig.view("api-1")
    assert (view.phase, view.reason) == (Phase.HEALTHY, "node lost (signal SIGKILL)")
    assert view.restarts == 1
    assert rig.phase("job-1") is Phase.EXITED, "what was done is not done again"


def existing(pod: PlannedPod, state: PodState, **facts: object) -> PodExisting:
    status = PodStatus(spec=pod.spec, state=state, generation=1)
    return PodExisting(status=replace(status, **facts))  # type: ignore[arg-type]


def test_pods_that_were_there_before_are_taken_over_untouched() -> None:
    pods = three(1)
    rig = Rig()
    for pod in pods:
        rig.send(existing(pod, PodState.RUNNING))
    assert rig.plan(*pods) == []
    assert (rig.boots, rig.stops) == ([], [])
    assert rig.settled()


def test_an_update_that_another_orchestrator_began_goes_on() -> None:
    rig = Rig()
    rig.send(existing(three(2)[0], PodState.RUNNING))
    for pod in three(1)[1:]:
        rig.send(existing(pod, PodState.RUNNING))
    assert rig.plan(*three(2)) == [
        "prepare image python: for 2 pods",
        "replace a-2: command changes",
        "replace a-3: command changes",
    ]
    rig.images_ready()
    assert rig.stops == ["a-2"]


def test_an_end_that_nobody_saw_is_judged_by_the_restart_policy() -> None:
    pod = planned_pod("a-1", restart=ALWAYS)
    rig = Rig()
    facts = {"exit": exited(1), "booted_at_s": 100.0, "exited_at_s": 100.5}
    rig.send(existing(pod, PodState.EXITED, **facts))
    rig.plan(pod)
    assert rig.phase("a-1") is Phase.RESTARTING
    assert rig.wait_for_timer() == pytest.approx(0.1)
    assert rig.kept["a-1"] is not None


def test_an_end_that_was_counted_already_is_not_counted_again() -> None:
    pod = planned_pod("a-1", restart=ALWAYS)
    record = RestartRecord(restarts=5, short_lives=5, delay_s=1.6, generation=1, due_at=3.0)
    rig = Rig(records={"a-1": record})
    rig.clock.now = 1.0
    rig.send(existing(pod, PodState.EXITED, exit=exited(1)))
    rig.plan(pod)
    view = rig.view("a-1")
    assert (view.phase, view.restarts) == (Phase.CRASH_LOOP, 5)
    assert rig.wait_for_timer() == pytest.approx(2.0)
    rig.images_ready()
    rig.started("a-1")
    rig.send(PodExited(pod="a-1", generation=2, exit=exited(1), last_error_line=""))
    assert rig.wait_for_timer() == pytest.approx(3.2), "the back-off goes on where it was"


def test_a_pod_that_is_not_in_the_plan_is_ended_when_it_is_found() -> None:
    rig = Rig()
    rig.send(existing(planned_pod("old-1"), PodState.RUNNING))
    assert rig.plan(*version(1, "a-1"))[0] == "prepare image python: for 1 pod"
    assert rig.stops == ["old-1"]
