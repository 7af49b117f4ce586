"""What somebody asks of pods while they run: gone, stopped, started, restarted, tried again."""

from __future__ import annotations

from orchestrator.desired.plan import Condition
from orchestrator.lifecycle.events import (
    BootFailed,
)
from orchestrator.views.phases import Phase
from pod_node.health import Health
from tests.support.plans import planned_pod
from tests.support.rig import ALWAYS, CHECK, Rig, running_three, three, version


def test_pods_that_are_gone_from_the_plan_end_and_are_forgotten() -> None:
    rig = running_three()
    assert rig.plan(*version(1, "a-1")) == [
        "remove a-2: fewer replicas",
        "remove a-3: fewer replicas",
    ]
    rig.stopped("a-2", "a-3")
    assert rig.removals == ["a-2", "a-3"]
    assert [view.spec.name for view in rig.deployment.views] == ["a-1"]


def test_a_pod_that_comes_back_while_it_is_leaving_is_booted_again() -> None:
    rig = running_three()
    rig.plan(*version(1, "a-1", "a-2"))
    assert rig.plan(*three(1)) == ["boot a-3: declared again"]
    rig.stopped("a-3")
    assert rig.boots[-1] == "a-3"
    assert rig.removals == []


def test_a_stopped_pod_stays_stopped_until_it_is_started() -> None:
    pods = [planned_pod(f"a-{n}", restart=ALWAYS) for n in (1, 2)]
    rig = Rig(*pods).begin().started("a-1", "a-2")
    rig.plan(*pods, stopped=["a-1"])
    rig.stopped("a-1")
    assert rig.phase("a-1") is Phase.STOPPED
    assert rig.deployment.poll_at() is None
    assert rig.settled()
    assert not rig.finished()
    assert rig.plan(*pods, stopped=["a-1"]) == []
    assert rig.plan(*pods) == ["boot a-1: started"]
    assert rig.boots[-1] == "a-1"


def test_a_pod_that_waits_for_its_restart_is_stopped_at_once() -> None:
    pod = planned_pod("a-1", restart=ALWAYS)
    rig = Rig(pod).begin().started("a-1")
    rig.exit("a-1", 1)
    rig.plan(pod, stopped=["a-1"])
    assert rig.phase("a-1") is Phase.STOPPED
    assert rig.deployment.poll_at() is None


def test_a_restart_that_is_asked_for_is_not_counted() -> None:
    pod = planned_pod("a-1", restart=ALWAYS)
    rig = Rig(pod).begin().started("a-1")
    assert rig.plan(pod, restarted=["a-1"]) == ["restart a-1: asked for"]
    rig.stopped("a-1")
    rig.started("a-1")
    assert rig.boots == ["a-1", "a-1"]
    assert rig.view("a-1").restarts == 0


def test_a_pod_that_failed_is_tried_again_only_when_somebody_asks() -> None:
    pod = planned_pod("a-1")
    rig = Rig(pod).begin()
    rig.send(BootFailed("a-1", "no room"))
    assert rig.plan(pod) == []
    assert rig.plan(pod, retried=True) == ["boot a-1: it is failed, another try"]
    assert rig.boots == ["a-1", "a-1"]


def test_a_blocked_pod_starts_when_what_blocked_it_is_over() -> None:
    rig = Rig(
        planned_pod("api-1", check=CHECK), planned_pod("web-1", needs={"api": Condition.HEALTHY})
    ).begin()
    rig.running("api-1")
    rig.health("api-1", Health.UNHEALTHY, "slow")
    assert rig.phase("web-1") is Phase.BLOCKED
    rig.health("api-1", Health.HEALTHY)
    assert rig.boots == ["api-1", "web-1"]
