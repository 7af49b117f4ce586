"""From the first image to the last exit: in which order pods start, and when it is over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.desired.plan import Condition
from orchestrator.lifecycle.events import (
    BootFailed,
    ImageFailed,
    ImageProgressed,
    ImageReady,
    ShowPod,
)
from orchestrator.topology.values import (
    RestartPolicy,
)
from orchestrator.views.phases import Phase
from pod_node.health import Health
from pod_node.spec import ExitKind, PodExit
from pod_node.status import PodDiskFull, PodExisting, PodState, PodStatus
from tests.support.plans import planned_pod
from tests.support.rig import ALWAYS, CHECK, Rig


def test_every_image_is_prepared_once_and_before_its_pods() -> None:
    rig = Rig(planned_pod("a-1"), planned_pod("a-2"), planned_pod("b-1", image="ruby"))
    rig.begin_without_images()
    assert rig.images == ["python", "ruby"]
    assert rig.boots == []
    rig.send(ImageReady("ruby"))
    assert rig.boots == ["b-1"]
    rig.send(ImageReady("python"))
    assert rig.boots == ["b-1", "a-1", "a-2"]


def test_a_pod_that_ended_before_it_ran_does_not_keep_others_waiting() -> None:
    rig = Rig(planned_pod("a-1"), planned_pod("b-1", needs={"a": Condition.STARTED})).begin()
    assert rig.boots == ["a-1"]
    rig.exit("a-1", 126)
    assert rig.boots == ["a-1", "b-1"]


def test_waiting_pods_show_what_becomes_of_their_image() -> None:
    rig = Rig(planned_pod("a-1"))
    rig.begin_without_images()
    rig.send(ImageProgressed("python", Phase.COMPILING))
    assert rig.phase("a-1") is Phase.COMPILING


def test_an_image_that_cannot_be_had_fails_its_pods() -> None:
    rig = Rig(planned_pod("a-1"), planned_pod("b-1", image="ruby"))
    rig.begin_without_images()
    rig.send(ImageFailed("ruby", "wrong digest"))
    assert [view.spec.name for view in rig.deployment.failures] == ["b-1"]
    assert rig.view("b-1").reason == "wrong digest"


def test_a_pod_waits_for_all_replicas_of_what_it_needs() -> None:
    rig = Rig(
        planned_pod("api-1", check=CHECK),
        planned_pod("api-2", check=CHECK),
        planned_pod("web-1", needs={"api": Condition.HEALTHY}),
    ).begin()
    rig.running("api-1", "api-2")
    rig.health("api-1", Health.HEALTHY)
    assert rig.boots == ["api-1", "api-2"]
    rig.health("api-2", Health.HEALTHY)
    assert rig.boots == ["api-1", "api-2", "web-1"]


def test_started_means_that_it_runs() -> None:
    rig = Rig(planned_pod("api-1"), planned_pod("web-1", needs={"api": Condition.STARTED}))
    rig.begin()
    assert rig.boots == ["api-1"]
    rig.running("api-1")
    assert rig.boots == ["api-1", "web-1"]


def test_completed_means_that_it_ended_well() -> None:
    rig = Rig(planned_pod("init-1"), planned_pod("web-1", needs={"init": Condition.COMPLETED}))
    rig.begin()
    rig.running("init-1")
    assert rig.boots == ["init-1"]
    rig.exit("init-1", 0)
    assert rig.boots == ["init-1", "web-1"]


def test_healthy_means_running_for_a_service_without_checks() -> None:
    rig = Rig(planned_pod("api-1"), planned_pod("web-1", needs={"api": Condition.HEALTHY}))
    rig.begin()
    rig.running("api-1")
    assert rig.boots == ["api-1", "web-1"]


@pytest.mark.parametrize("condition", [Condition.HEALTHY, Condition.COMPLETED])
def test_what_ended_badly_blocks_those_that_need_it(condition: Condition) -> None:
    rig = Rig(
        planned_pod("api-1"),
        planned_pod("web-1", needs={"api": condition}),
        planned_pod("edge-1", needs={"web": Condition.STARTED}),
    ).begin()
    if condition is Condition.HEALTHY:
        rig = Rig(
            planned_pod("api-1", check=CHECK),
            planned_pod("web-1", needs={"api": condition}),
            planned_pod("edge-1", needs={"web": Condition.STARTED}),
        ).begin()
    rig.running("api-1")
    rig.exit("api-1", 2, "no such file")
    assert rig.phase("web-1") is Phase.BLOCKED
    assert rig.view("web-1").reason == "api-1 is exited (2): no such file"
    assert rig.phase("edge-1") is Phase.BLOCKED, "a block blocks others in turn"
    assert [view.spec.name for view in rig.deployment.failures] == ["web-1", "edge-1"]


def test_an_unhealthy_dependency_blocks_as_in_compose() -> None:
    rig = Rig(
        planned_pod("api-1", check=CHECK), planned_pod("web-1", needs={"api": Condition.HEALTHY})
    ).begin()
    rig.running("api-1")
    rig.health("api-1", Health.UNHEALTHY, "10.0.0.2:80: refused")
    assert rig.view("web-1").reason == "api-1 is unhealthy: 10.0.0.2:80: refused"


def test_a_dependency_that_will_restart_is_waited_for() -> None:
    rig = Rig(
        planned_pod("api-1", restart=ALWAYS, check=CHECK),
        planned_pod("web-1", needs={"api": Condition.HEALTHY}),
    ).begin()
    rig.running("api-1")
    rig.exit("api-1", 1)
    assert rig.phase("api-1") is Phase.RESTARTING
    assert rig.phase("web-1") is Phase.WAITING
    assert rig.wait_for_timer() == pytest.approx(0.1)
    rig.running("api-1")
    rig.health("api-1", Health.HEALTHY)
    assert rig.boots == ["api-1", "api-1", "web-1"]


def test_a_pod_that_keeps_ending_is_shown_as_looping() -> None:
    rig = Rig(planned_pod("api-1", restart=ALWAYS)).begin()
    waits = []
    for _ in range(4):
        rig.running("api-1")
        rig.exit("api-1", 1, "boom")
        waits.append(rig.wait_for_timer())
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8])
    rig.running("api-1")
    rig.exit("api-1", 1, "boom")
    view = rig.view("api-1")
    assert (view.state, view.restarts, view.reason) == ("crash-loop (1)", 5, "boom")
    assert rig.settled()
    assert not rig.finished()


def test_a_boot_that_was_refused_fails_the_deployment() -> None:
    rig = Rig(planned_pod("a-1", restart=ALWAYS)).begin()
    rig.send(BootFailed("a-1", "no room"))
    assert rig.phase("a-1") is Phase.FAILED
    assert rig.deployment.poll_at() is None


def test_the_start_is_over_when_every_pod_is_where_it_should_be() -> None:
    rig = Rig(planned_pod("a-1"), planned_pod("b-1", check=CHECK)).begin()
    rig.running("a-1", "b-1")
    assert not rig.settled()
    rig.clock.advance(0.3)
    rig.health("b-1", Health.HEALTHY)
    assert rig.settled()
    assert rig.view("b-1").ready_s == pytest.approx(0.3)


def test_the_deployment_ends_when_all_have_ended() -> None:
    rig = Rig(planned_pod("a-1"), planned_pod("b-1")).begin()
    rig.running("a-1", "b-1")
    rig.exit("a-1", 0)
    assert not rig.finished()
    rig.exit("b-1", 3)
    assert rig.finished()
    assert [view.succeeded for view in rig.deployment.views] == [True, False]
    assert [view.state for view in rig.deployment.views] == ["exited (0)", "exited (3)"]


def test_a_trap_is_told_in_the_machines_words() -> None:
    rig = Rig(planned_pod("a-1")).begin()
    rig.running("a-1")
    rig.end("a-1", PodExit(kind=ExitKind.OUT_OF_MEMORY, status=134, reason="limit 16 MiB"), "x")
    view = rig.view("a-1")
    assert (view.state, view.reason) == ("out-of-memory (134)", "limit 16 MiB")


def test_a_pod_whose_disk_is_full_says_so_until_it_is_started_again() -> None:
    rig = Rig(planned_pod("web-1", check=CHECK, restart=ALWAYS)).begin().started("web-1")
    (shown,) = rig.deployment.handle(
        PodDiskFull(pod="web-1", generation=1, target="/"), rig.clock()
    )
    assert shown == ShowPod(rig.view("web-1"))
    said = "its disk limit of 1G is reached; storage_opt raises it"
    assert (rig.view("web-1").reason, rig.view("web-1").full_disk) == (said, "/")
    rig.health("web-1", Health.UNHEALTHY, "no answer")
    assert rig.view("web-1").reason == "no answer"
    rig.health("web-1", Health.HEALTHY)
    assert rig.view("web-1").reason == said
    rig.exit("web-1", 1, "last words")
    assert rig.view("web-1").reason == "last words"
    rig.wait_for_timer()
    rig.started("web-1")
    assert (rig.view("web-1").reason, rig.view("web-1").full_disk) == ("", "")


def test_a_pod_that_was_there_before_says_that_its_disk_is_full() -> None:
    pod = planned_pod("web-1")
    rig = Rig(pod)
    status = PodStatus(spec=pod.spec, state=PodState.RUNNING, generation=1, full_disk="/memory")
    rig.send(PodExisting(status=status))
    rig.begin()
    assert rig.view("web-1").reason == "/memory is full"
    assert rig.boots == []


@given(data=st.data())
def test_no_pod_starts_before_its_conditions_hold(data: st.DataObject) -> None:
    """Whatever happens to the pods in whatever order, starts respect dependencies."""
    conditions = st.sampled_from(Condition)
    rig = Rig(
        planned_pod("a-1", restart=data.draw(st.sampled_from([RestartPolicy(), ALWAYS]))),
        planned_pod("b-1", check=CHECK, needs={"a": data.draw(conditions)}),
        planned_pod("c-1", needs={"b": data.draw(conditions), "a": Condition.STARTED}),
    ).begin()
    for _ in range(data.draw(st.integers(0, 25))):
        alive = [v.spec.name for v in rig.deployment.views if v.phase is Phase.STARTING]
        up = [
            v.spec.name
            for v in rig.deployment.views
            if v.phase in (Phase.RUNNING, Phase.HEALTHY, Phase.UNHEALTHY)
        ]
        step = data.draw(st.sampled_from(["run", "exit", "healthy", "unhealthy", "timer"]))
        if step == "run" and alive:
            rig.running(alive[0])
        elif step == "exit" and up:
            rig.exit(data.draw(st.sampled_from(up)), data.draw(st.integers(0, 2)))
        elif step == "healthy" and "b-1" in up:
            rig.health("b-1", Health.HEALTHY)
        elif step == "unhealthy" and "b-1" in up:
            rig.health("b-1", Health.UNHEALTHY, "no")
        elif step == "timer" and rig.deployment.poll_at() is not None:
            rig.wait_for_timer()
    order = {name: rig.boots.index(name) for name in set(rig.boots)}
    assert "b-1" not in order or order["a-1"] < order["b-1"]
    assert "c-1" not in order or order["b-1"] < order["c-1"]
    assert not (rig.finished() and rig.deployment.poll_at())
