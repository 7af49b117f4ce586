"""Pods are replaced by those of a new version: batches, delays, failures."""

from __future__ import annotations

import pytest

from orchestrator.lifecycle.events import (
    ImageFailed,
    ImageReady,
)
from orchestrator.lifecycle.rollout import RolloutState
from orchestrator.topology.values import (
    FailureAction,
    UpdateOrder,
    UpdatePolicy,
)
from pod_node.health import Health
from tests.support.plans import planned_pod
from tests.support.rig import CHECK, Rig, running_three, three, version


def test_a_plan_that_is_the_same_does_nothing() -> None:
    rig = running_three()
    assert rig.plan(*three(1)) == []
    assert (rig.stops, rig.boots) == ([], ["a-1", "a-2", "a-3"])


def test_pods_are_replaced_one_after_the_other() -> None:
    rig = running_three()
    assert rig.plan(*three(2)) == [f"replace a-{n}: command changes" for n in (1, 2, 3)]
    for name in ("a-1", "a-2", "a-3"):
        assert rig.stops[-1] == name
        assert not rig.settled()
        rig.stopped(name)
        assert rig.boots[-1] == name
        rig.started(name)
    assert rig.settled()
    assert not any(view.outdated for view in rig.deployment.views)
    assert rig.finished_rollouts == ["a"]


def test_the_delay_between_batches_is_waited_for() -> None:
    rig = running_three()
    rig.plan(*three(2), policy=UpdatePolicy(parallelism=2, delay_s=5.0))
    assert rig.stops == ["a-1", "a-2"]
    rig.stopped("a-1", "a-2")
    rig.started("a-1", "a-2")
    assert rig.stops == ["a-1", "a-2"]
    assert rig.wait_for_timer() == pytest.approx(5.0)
    assert rig.stops == ["a-1", "a-2", "a-3"]


def test_pods_that_serve_nobody_are_replaced_first() -> None:
    pods = [planned_pod(f"a-{n}", check=CHECK) for n in (1, 2)]
    rig = Rig(*pods).begin().started("a-1", "a-2")
    rig.health("a-1", Health.HEALTHY)
    rig.health("a-2", Health.UNHEALTHY, "no")
    after = [planned_pod(f"a-{n}", check=CHECK, command=("other",)) for n in (1, 2)]
    rig.plan(*after)
    assert rig.stops == ["a-2"]


def test_no_pod_is_ended_before_the_new_image_is_there() -> None:
    rig = running_three()
    rig.plan(*(planned_pod(f"a-{n}", image="ruby") for n in (1, 2, 3)))
    assert rig.stops == []
    rig.send(ImageReady("ruby"))
    assert rig.stops == ["a-1"]


def test_an_image_that_cannot_be_had_stops_an_update_before_it_begins() -> None:
    rig = running_three()
    rig.plan(*(planned_pod(f"a-{n}", image="ruby") for n in (1, 2, 3)))
    rig.send(ImageFailed("ruby", "wrong digest"))
    (rollout,) = rig.deployment.rollouts
    assert (rollout.state, rollout.reason) == (RolloutState.PAUSED, "wrong digest")
    assert rig.stops == []
    assert rig.settled()


def test_start_first_borrows_a_pod_and_never_has_fewer_ready() -> None:
    rig = running_three()
    policy = UpdatePolicy(order=UpdateOrder.START_FIRST)
    pods = version(2, "a-1", "a-2", "a-3", "a-4")
    rig.plan(*pods, policy=policy, surges={"a": ("a-4",)})
    assert (rig.boots[-1], rig.stops) == ("a-4", [])
    rig.started("a-4")
    for name in ("a-1", "a-2", "a-3"):
        assert sum(view.ready for view in rig.deployment.views) == 3
        rig.stopped(name)
        rig.started(name)
    assert rig.finished_rollouts == ["a"]
    assert rig.plan(*three(2)) == ["remove a-4: fewer replicas"]
    rig.stopped("a-4")
    assert rig.removals == ["a-4"]
    assert rig.settled()


@pytest.mark.parametrize("action", FailureAction)
def test_a_failure_does_what_the_policy_says(action: FailureAction) -> None:
    rig = running_three()
    rig.plan(*three(2), policy=UpdatePolicy(failure_action=action))
    rig.stopped("a-1")
    rig.exit("a-1", 3, "broken")
    if action is FailureAction.CONTINUE:
        assert rig.stops == ["a-1", "a-2"]
        return
    assert rig.stops == ["a-1"]
    if action is FailureAction.ROLLBACK:
        assert rig.rolled_back == ["a"]
        return
    (rollout,) = rig.deployment.rollouts
    assert rollout.state is RolloutState.PAUSED
    assert rollout.reason == "a-1 is exited (3): broken"
    assert (rollout.updated, rollout.total) == (1, 3)


def test_a_paused_update_stands_until_somebody_tries_again() -> None:
    rig = running_three()
    rig.plan(*three(2))
    rig.stopped("a-1")
    rig.exit("a-1", 3, "broken")
    standing = {"a": "a-1 is exited (3): broken"}
    assert rig.plan(*three(2), standing=standing) == []
    (rollout,) = rig.deployment.rollouts
    assert rollout.state is RolloutState.PAUSED
    rig.plan(*three(3), retried=True)
    assert rig.boots[-1] == "a-1"
    rig.started("a-1")
    assert rig.stops[-1] == "a-2"


def test_a_pod_that_fails_while_it_is_watched_fails_the_update() -> None:
    rig = running_three()
    rig.plan(*three(2), policy=UpdatePolicy(monitor_s=5.0))
    rig.stopped("a-1")
    rig.started("a-1")
    assert rig.stops == ["a-1"]
    rig.exit("a-1", 1, "too late")
    (rollout,) = rig.deployment.rollouts
    assert rollout.reason == "a-1 is exited (1): too late"


def test_a_pod_that_is_watched_without_a_failure_lets_the_update_go_on() -> None:
    rig = running_three()
    rig.plan(*three(2), policy=UpdatePolicy(monitor_s=5.0))
    rig.stopped("a-1")
    rig.started("a-1")
    assert rig.wait_for_timer() == pytest.approx(5.0)
    assert rig.stops == ["a-1", "a-2"]


def test_another_plan_in_the_middle_of_an_update_waits_for_what_is_on_its_way() -> None:
    rig = running_three()
    rig.plan(*three(2))
    rig.stopped("a-1")
    assert rig.plan(*three(2), *version(2, "b-1"))
    assert rig.stops == ["a-1"]
    rig.started("a-1")
    assert rig.stops == ["a-1", "a-2"]
