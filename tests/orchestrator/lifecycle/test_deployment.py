from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lifecycle.deployment import Deployment
from orchestrator.lifecycle.events import (
    BootFailed,
    BootPod,
    FinishRollout,
    ImageFailed,
    ImageProgressed,
    ImageReady,
    KeepRestarts,
    NodeLost,
    Planned,
    PrepareImage,
    RemovePod,
    RollBack,
    StopPod,
    SwitchNetworks,
    TimerFired,
)
from orchestrator.lifecycle.restart import RestartRecord
from orchestrator.lifecycle.rollout import RolloutState
from orchestrator.phases import Phase
from orchestrator.plan import Condition
from orchestrator.reconcile import Desired, Observed, reconcile
from orchestrator.steps import step_view
from orchestrator.topology.values import (
    FailureAction,
    RestartMode,
    RestartPolicy,
    UpdateOrder,
    UpdatePolicy,
)
from pod_node.health import Health
from pod_node.spec import ExitKind, PodExit
from pod_node.status import (
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodState,
    PodStateChanged,
    PodStatus,
)
from tests.support.clock import FakeClock
from tests.support.plans import make_plan, planned_pod
from tests.support.pods import FRONT, exited, tcp_check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.lifecycle.events import Event
    from orchestrator.phases import PodView
    from orchestrator.plan import PlannedPod

CHECK = tcp_check(80)
ALWAYS = RestartPolicy(RestartMode.ALWAYS)


class Rig:
    """A deployment under a test's control."""

    def __init__(self, *pods: PlannedPod, records: dict[str, RestartRecord] | None = None) -> None:
        self.clock = FakeClock()
        self.deployment = Deployment(records)
        self.boots: list[str] = []
        self.stops: list[str] = []
        self.removals: list[str] = []
        self.images: list[str] = []
        self.finished_rollouts: list[str] = []
        self.rolled_back: list[str] = []
        self.kept: dict[str, RestartRecord | None] = {}
        self.networks_switched = 0
        self._pods = pods
        self._generations: Counter[str] = Counter()

    def send(self, event: Event) -> None:
        for command in self.deployment.handle(event, self.clock()):
            match command:
                case BootPod(spec):
                    self.boots.append(spec.name)
                    self._generations[spec.name] += 1
                case PrepareImage(image):
                    self.images.append(image)
                case StopPod(pod):
                    self.stops.append(pod)
                case RemovePod(pod):
                    self.removals.append(pod)
                case FinishRollout(service):
                    self.finished_rollouts.append(service)
                case RollBack(service):
                    self.rolled_back.append(service)
                case KeepRestarts(pod, record):
                    self.kept[pod] = record
                case SwitchNetworks():
                    self.networks_switched += 1
                case _:
                    pass

    def plan(
        self,
        *pods: PlannedPod,
        policy: UpdatePolicy | None = None,
        stopped: Iterable[str] = (),
        restarted: Iterable[str] = (),
        retried: bool = False,
        surges: dict[str, tuple[str, ...]] | None = None,
        standing: dict[str, str] | None = None,
    ) -> list[str]:
        """Take up a plan; return its steps."""
        plan = make_plan(*pods)
        desired = Desired(
            plan=plan,
            stopped=frozenset(stopped),
            restarted=frozenset(restarted),
            retried=retried,
            standing=frozenset(standing or {}),
        )
        observed = Observed(
            networks={"front": FRONT},
            images=self.deployment.images,
            pods=self.deployment.observed,
        )
        steps = reconcile(desired, observed)
        self.send(
            Planned(
                desired=desired,
                steps=steps,
                policies=dict.fromkeys(plan.updates, policy or UpdatePolicy()),
                surges=surges or {},
                standing=standing or {},
            )
        )
        return [str(step_view(step)) for step in steps]

    def begin(self) -> Rig:
        self.plan(*self._pods)
        self.images_ready()
        return self

    def begin_without_images(self) -> None:
        self.plan(*self._pods)

    def images_ready(self) -> None:
        for image in self.images:
            self.send(ImageReady(image))

    def started(self, *pods: str) -> Rig:
        """Have pods run that are being booted."""
        for pod in pods:
            self.send(
                PodStateChanged(
                    pod=pod,
                    generation=self._generations[pod],
                    state=PodState.RUNNING,
                    boot_s=0.05,
                )
            )
        return self

    def stopped(self, *pods: str) -> None:
        """Have pods end that were asked to."""
        for pod in pods:
            assert pod in self.stops
            end = PodExit(kind=ExitKind.KILLED, status=137, reason="killed")
            self.send(
                PodExited(pod=pod, generation=self._generations[pod], exit=end, last_error_line="")
            )

    def running(self, *pods: str) -> None:
        self.started(*pods)

    def health(self, pod: str, health: Health, reason: str = "") -> None:
        generation = self._generations[pod]
        self.send(PodHealthChanged(pod=pod, generation=generation, health=health, reason=reason))

    def exit(self, pod: str, status: int, last_words: str = "") -> None:
        self.end(pod, exited(status), last_words)

    def end(self, pod: str, end: PodExit, last_words: str = "") -> None:
        generation = self._generations[pod]
        self.send(PodExited(pod=pod, generation=generation, exit=end, last_error_line=last_words))

    def wait_for_timer(self) -> float:
        due = self.deployment.poll_at()
        assert due is not None
        waited = due - self.clock()
        self.clock.now = due
        self.send(TimerFired())
        return waited

    def settled(self) -> bool:
        return self.deployment.settled

    def finished(self) -> bool:
        return self.deployment.finished

    def phase(self, pod: str) -> Phase:
        return self.view(pod).phase

    def view(self, pod: str) -> PodView:
        return next(view for view in self.deployment.views if view.spec.name == pod)


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


def version(number: int, *names: str) -> list[PlannedPod]:
    return [planned_pod(name, command=("python", f"/app/v{number}.py")) for name in names]


def three(number: int) -> list[PlannedPod]:
    return version(number, "a-1", "a-2", "a-3")


def running_three() -> Rig:
    return Rig(*three(1)).begin().started("a-1", "a-2", "a-3")


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


def test_a_pod_whose_disk_is_full_says_so_until_it_is_started_again() -> None:
    rig = Rig(planned_pod("web-1", check=CHECK, restart=ALWAYS)).begin().started("web-1")
    rig.send(PodDiskFull(pod="web-1", generation=1, target="/"))
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
