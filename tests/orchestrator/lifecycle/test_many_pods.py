from __future__ import annotations

import cProfile
import pstats
from collections import deque
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.desired.plan import Condition
from orchestrator.desired.reconcile import Desired, Observed, reconcile
from orchestrator.lifecycle.deployment import Deployment
from orchestrator.lifecycle.events import BootPod, ImageReady, Planned, RemovePod, StopPod
from orchestrator.topology.values import UpdatePolicy
from orchestrator.views.phases import Phase
from pod_node.health import Health
from pod_node.status import PodExited, PodHealthChanged, PodState, PodStateChanged
from tests.support.plans import make_plan, planned_pod
from tests.support.pods import exited, tcp_check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.desired.plan import Plan
    from orchestrator.lifecycle.events import Command, Event

FEW, MANY = 100, 400
SLACK = 1.1
"""Fixed costs, and dictionaries that grow: quadratic work would be another fourfold."""


def planned(deployment: Deployment, plan: Plan, revision: int) -> Planned:
    desired = Desired(plan=plan)
    observed = Observed(
        networks={network.name: network.subnet for network in plan.networks},
        images=deployment.images,
        pods=deployment.observed,
    )
    return Planned(
        desired=desired,
        steps=reconcile(desired, observed),
        revision=revision,
        policies=plan.updates,
    )


class InstantNode:
    """Does at once what a deployment wants, and counts the generations of each pod."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}

    def obey(self, command: Command) -> Iterable[Event]:
        if isinstance(command, BootPod):
            pod = command.spec.name
            generation = self._generations[pod] = self._generations.get(pod, 0) + 1
            for state in (PodState.BOOTING, PodState.RUNNING):
                yield PodStateChanged(pod=pod, generation=generation, state=state, boot_s=0.0)
            yield PodHealthChanged(pod=pod, generation=generation, health=Health.HEALTHY, reason="")
        elif isinstance(command, StopPod):
            generation = self._generations[command.pod]
            end = exited(0)
            yield PodExited(pod=command.pod, generation=generation, exit=end, last_error_line="")
        elif isinstance(command, RemovePod):
            self._generations.pop(command.pod, None)


def play(deployment: Deployment, node: InstantNode, *events: Event) -> None:
    waiting = deque(events)
    while waiting:
        for command in deployment.handle(waiting.popleft(), 0.0):
            waiting.extend(node.obey(command))


def two_services(replicas: int, condition: Condition, command: str = "/app/main.py") -> Plan:
    check = tcp_check(80)
    dbs = [planned_pod(f"db-{n}", check=check) for n in range(1, replicas + 1)]
    webs = [
        planned_pod(f"web-{n}", needs={"db": condition}, check=check, command=("python", command))
        for n in range(1, replicas + 1)
    ]
    return make_plan(*dbs, *webs)


def calls_of_a_start(replicas: int, condition: Condition) -> int:
    deployment, node = Deployment(), InstantNode()
    begin = planned(deployment, two_services(replicas, condition), 1)
    profile = cProfile.Profile()
    profile.runcall(play, deployment, node, begin, ImageReady("python"))
    assert deployment.settled
    assert all(view.phase is Phase.HEALTHY for view in deployment.views)
    return _count(profile)


def calls_of_an_update(replicas: int) -> int:
    deployment, node = Deployment(), InstantNode()
    before = two_services(replicas, Condition.STARTED)
    play(deployment, node, planned(deployment, before, 1), ImageReady("python"))
    after = two_services(replicas, Condition.STARTED, "/app/other.py")
    quick = UpdatePolicy(parallelism=1, monitor_s=0.0)
    update = planned(deployment, after, 2)
    policies = {"db": quick, "web": quick}
    profile = cProfile.Profile()
    profile.runcall(play, deployment, node, _with_policies(update, policies))
    assert deployment.settled
    assert not any(view.outdated for view in deployment.views)
    return _count(profile)


def _with_policies(event: Planned, policies: dict[str, UpdatePolicy]) -> Planned:
    return Planned(
        desired=event.desired, steps=event.steps, revision=event.revision, policies=policies
    )


def _count(profile: cProfile.Profile) -> int:
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("condition", [Condition.STARTED, Condition.HEALTHY])
def test_four_times_the_pods_that_wait_for_others_are_four_times_the_work(
    condition: Condition,
) -> None:
    few, many = (calls_of_a_start(replicas, condition) for replicas in (FEW, MANY))
    assert many < few * (MANY / FEW) * SLACK


def test_an_update_of_four_times_the_pods_is_four_times_the_work() -> None:
    few, many = (calls_of_an_update(replicas) for replicas in (FEW, MANY))
    assert many < few * (MANY / FEW) * SLACK


class PatientNode(InstantNode):
    """Leaves health to the test."""

    def obey(self, command: Command) -> Iterable[Event]:
        return [e for e in super().obey(command) if not isinstance(e, PodHealthChanged)]


def told(pod: str, what: str) -> Event:
    match what:
        case "healthy":
            return PodHealthChanged(pod=pod, generation=1, health=Health.HEALTHY, reason="")
        case "unhealthy":
            return PodHealthChanged(pod=pod, generation=1, health=Health.UNHEALTHY, reason="no")
        case _:
            status = exited(0 if what == "ended well" else 1)
            return PodExited(pod=pod, generation=1, exit=status, last_error_line="")


def insist_on_web(deployment: Deployment, condition: Condition) -> None:
    """Compare what became of `web-1`, unless it has started, with what all of `db` say."""
    views = {view.spec.name: view for view in deployment.views}
    web = views.pop("web-1")
    if web.phase.alive:
        return
    over: tuple[Phase, ...] = (Phase.FAILED, Phase.BLOCKED)
    if condition is Condition.HEALTHY:
        met = all(view.ready for view in views.values())
        over = (*over, Phase.EXITED, Phase.UNHEALTHY)
    else:
        met = all(view.succeeded for view in views.values())
    hopeless = any(
        view.phase in over or (view.phase is Phase.EXITED and not view.succeeded)
        for view in views.values()
    )
    assert not met
    assert (web.phase is Phase.BLOCKED) == hopeless


NEWS = st.tuples(
    st.sampled_from(["db-1", "db-2", "db-3"]),
    st.sampled_from(["healthy", "unhealthy", "ended well", "ended badly"]),
)


@given(
    condition=st.sampled_from([Condition.HEALTHY, Condition.COMPLETED]),
    news=st.lists(NEWS, max_size=12),
    left=st.integers(1, 3),
)
def test_a_pod_starts_when_all_has_come_and_is_blocked_when_it_cannot(
    condition: Condition, news: list[tuple[str, str]], left: int
) -> None:
    dbs = [planned_pod(f"db-{n}", check=tcp_check(80)) for n in (1, 2, 3)]
    web = planned_pod("web-1", needs={"db": condition})
    deployment, node = Deployment(), PatientNode()
    play(deployment, node, planned(deployment, make_plan(*dbs, web), 1), ImageReady("python"))
    for pod, what in news:
        play(deployment, node, told(pod, what))
        insist_on_web(deployment, condition)
    play(deployment, node, planned(deployment, make_plan(*dbs[:left], web), 2))
    insist_on_web(deployment, condition)
