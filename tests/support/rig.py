"""A deployment's state machine under a test's control, and the plans that it is given."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.desired.reconcile import Desired, Observed, reconcile
from orchestrator.desired.steps import step_view
from orchestrator.lifecycle.deployment import Deployment
from orchestrator.lifecycle.events import (
    BootPod,
    FinishRollout,
    ImageReady,
    KeepRestarts,
    Planned,
    PrepareImage,
    RemovePod,
    RollBack,
    StopPod,
    SwitchNetworks,
    TimerFired,
)
from orchestrator.lifecycle.restart import RestartRecord
from orchestrator.topology.values import (
    RestartMode,
    RestartPolicy,
    UpdatePolicy,
)
from orchestrator.views.phases import Phase
from pod_node.health import Health
from pod_node.spec import ExitKind, PodExit
from pod_node.status import (
    PodExited,
    PodHealthChanged,
    PodState,
    PodStateChanged,
)
from tests.support.clock import FakeClock
from tests.support.plans import make_plan, planned_pod
from tests.support.pods import FRONT, exited, tcp_check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.desired.plan import PlannedPod
    from orchestrator.lifecycle.events import Event
    from orchestrator.views.phases import PodView

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


def version(number: int, *names: str) -> list[PlannedPod]:
    return [planned_pod(name, command=("python", f"/app/v{number}.py")) for name in names]


def three(number: int) -> list[PlannedPod]:
    return version(number, "a-1", "a-2", "a-3")


def running_three() -> Rig:
    return Rig(*three(1)).begin().started("a-1", "a-2", "a-3")
