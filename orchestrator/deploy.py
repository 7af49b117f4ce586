"""From a plan to running pods: which step comes next.

Owns the life of one deployment as a state machine: images first, then pods in the order that
`depends_on` and its conditions allow, then restarts. Pure: the shell in `launch.py` sends its
commands to a pod node and brings back what became of them. Follows Compose: a service that was
waited for and turned unhealthy, or ended for good, makes its dependants impossible, and that ends
the deployment with an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, assert_never

from orchestrator.phases import Phase, PodView
from orchestrator.plan import Condition, Dependency, PlannedPod
from orchestrator.restart import RestartTimer
from pod_node.health import Health
from pod_node.status import (
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodState,
    PodStateChanged,
    exit_reason,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod_node.spec import PodSpec


@dataclass(frozen=True, slots=True)
class Begun:
    """The deployment begins."""


@dataclass(frozen=True, slots=True)
class ImageProgressed:
    """An image is being fetched or compiled."""

    image: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class ImageReady:
    """An image can be booted from."""

    image: str


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """An image cannot be had."""

    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class BootFailed:
    """The node would not boot a pod."""

    pod: str
    reason: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """Time has passed; the machine checks for itself whether anything is due."""


Event: TypeAlias = (
    Begun
    | ImageProgressed
    | ImageReady
    | ImageFailed
    | BootFailed
    | PodStateChanged
    | PodHealthChanged
    | PodPauseChanged
    | PodExited
    | TimerFired
)


@dataclass(frozen=True, slots=True)
class PrepareImage:
    """Fetch and compile an image."""

    image: str


@dataclass(frozen=True, slots=True)
class BootPod:
    """Boot a pod."""

    spec: PodSpec


@dataclass(frozen=True, slots=True)
class ShowPod:
    """Something that a person would want to see has changed."""

    view: PodView


Command: TypeAlias = PrepareImage | BootPod | ShowPod


@dataclass(slots=True)
class _Entry:
    """One pod of the deployment."""

    planned: PlannedPod
    view: PodView
    timer: RestartTimer
    started_at: float = 0.0
    has_run: bool = False
    restart_at: float | None = None


class Deployment:
    """All pods of one plan, from the first image to the last exit."""

    def __init__(self, pods: Sequence[PlannedPod]) -> None:
        self._entries = {
            pod.spec.name: _Entry(pod, PodView(spec=pod.spec), RestartTimer(pod.restart))
            for pod in pods
        }
        self._images: dict[str, bool] = {pod.spec.image: False for pod in pods}
        self._now = 0.0
        self._commands: list[Command] = []

    @property
    def views(self) -> list[PodView]:
        """All pods, in the plan's order."""
        return [entry.view for entry in self._entries.values()]

    @property
    def settled(self) -> bool:
        """Whether the start is over: every pod has come as far as it can by itself."""
        settled = (Phase.HEALTHY, Phase.UNHEALTHY, Phase.CRASH_LOOP)
        return all(
            view.phase.final
            or view.phase in settled
            or (view.phase is Phase.RUNNING and view.spec.healthcheck is None)
            for view in self.views
        )

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing will."""
        return all(view.phase.final for view in self.views)

    @property
    def failures(self) -> list[PodView]:
        """Pods that could not start; one of them is enough for the deployment to have failed."""
        return [view for view in self.views if view.phase in (Phase.FAILED, Phase.BLOCKED)]

    def poll_at(self) -> float | None:
        """When the next restart is due."""
        due = [entry.restart_at for entry in self._entries.values() if entry.restart_at is not None]
        return min(due, default=None)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one event and say what to do about it."""
        self._now = now
        match event:
            case Begun():
                self._commands.extend(PrepareImage(image) for image in self._images)
            case ImageProgressed(image, phase):
                self._show_waiting(image, phase)
            case ImageReady(image):
                self._images[image] = True
                self._show_waiting(image, Phase.WAITING)
            case ImageFailed(image, reason):
                for entry in self._using(image):
                    self._change(entry, phase=Phase.FAILED, reason=reason)
            case BootFailed(pod, reason):
                self._change(self._entries[pod], phase=Phase.FAILED, reason=reason)
            case PodStateChanged():
                self._on_state(self._entries[event.pod], event)
            case PodHealthChanged():
                self._on_health(self._entries[event.pod], event)
            case PodPauseChanged():
                self._change(self._entries[event.pod], paused=event.paused)
            case PodExited():
                self._on_exit(self._entries[event.pod], event)
            case TimerFired():
                self._restart_due()
            case _:
                assert_never(event)
        self._advance()
        commands, self._commands = self._commands, []
        return commands

    def _using(self, image: str) -> Iterator[_Entry]:
        return (entry for entry in self._entries.values() if entry.view.spec.image == image)

    def _show_waiting(self, image: str, phase: Phase) -> None:
        for entry in self._using(image):
            if entry.view.phase in (Phase.WAITING, Phase.PULLING, Phase.COMPILING):
                self._change(entry, phase=phase)

    def _on_state(self, entry: _Entry, change: PodStateChanged) -> None:
        if change.state is PodState.RUNNING:
            entry.has_run = True
            self._change(entry, phase=Phase.RUNNING, reason="", boot_s=change.boot_s)

    def _on_health(self, entry: _Entry, change: PodHealthChanged) -> None:
        match change.health:
            case Health.STARTING:
                return
            case Health.HEALTHY:
                ready_s = entry.view.ready_s or self._now - entry.started_at
                self._change(entry, phase=Phase.HEALTHY, reason="", ready_s=ready_s)
            case Health.UNHEALTHY:
                self._change(entry, phase=Phase.UNHEALTHY, reason=change.reason)

    def _on_exit(self, entry: _Entry, exited: PodExited) -> None:
        end = exited.exit
        entry.has_run = True  # or was ended before it could, which is as much of a start
        delay_s = entry.timer.delay_s(end.status, self._now - entry.started_at)
        phase = Phase.EXITED
        if delay_s is not None:
            entry.restart_at = self._now + delay_s
            phase = Phase.CRASH_LOOP if entry.timer.looping else Phase.RESTARTING
        self._change(
            entry,
            phase=phase,
            reason=exit_reason(end, exited.last_error_line),
            exit=end,
            restarts=entry.timer.restarts,
            paused=False,
        )

    def _restart_due(self) -> None:
        for entry in self._entries.values():
            if entry.restart_at is not None and entry.restart_at <= self._now:
                entry.restart_at = None
                self._boot(entry)

    def _advance(self) -> None:
        """Boot what may boot and block what never can; a block can block others in turn."""
        changed = True
        while changed:
            changed = False
            for entry in self._entries.values():
                if entry.view.phase is Phase.WAITING and self._images[entry.view.spec.image]:
                    changed |= self._try_start(entry)

    def _try_start(self, entry: _Entry) -> bool:
        verdicts = [self._verdict(dependency) for dependency in entry.planned.depends_on]
        obstacle = next((verdict for verdict in verdicts if isinstance(verdict, str)), None)
        if obstacle is not None:
            self._change(entry, phase=Phase.BLOCKED, reason=obstacle)
            return True
        if not all(verdicts):
            return False
        self._boot(entry)
        return True

    def _verdict(self, dependency: Dependency) -> bool | str:
        """Say whether a condition holds, or, when it never will, why."""
        entries = [e for e in self._entries.values() if e.view.spec.service == dependency.service]
        for entry in entries:
            obstacle = _obstacle(entry.view, dependency.condition)
            if obstacle:
                return obstacle
        return all(_holds(entry, dependency.condition) for entry in entries)

    def _boot(self, entry: _Entry) -> None:
        entry.started_at = self._now
        self._change(entry, phase=Phase.STARTING, reason="", boot_s=None, ready_s=None)
        self._commands.append(BootPod(entry.view.spec))

    def _change(self, entry: _Entry, **changes: object) -> None:
        view = replace(entry.view, **changes)  # type: ignore[arg-type]
        if view != entry.view:
            entry.view = view
            self._commands.append(ShowPod(view))


def _holds(entry: _Entry, condition: Condition) -> bool:
    match condition:
        case Condition.STARTED:
            return entry.has_run
        case Condition.HEALTHY:
            unchecked = entry.view.spec.healthcheck is None
            return entry.view.phase is (Phase.RUNNING if unchecked else Phase.HEALTHY)
        case Condition.COMPLETED:
            return entry.view.succeeded
        case _:
            assert_never(condition)


def _obstacle(view: PodView, condition: Condition) -> str:
    """Say why a pod will never meet a condition; empty while it may."""
    failed = view.phase in (Phase.FAILED, Phase.BLOCKED)
    ended = view.phase is Phase.EXITED
    match condition:
        case Condition.STARTED:
            hopeless = failed
        case Condition.HEALTHY:
            hopeless = failed or ended or view.phase is Phase.UNHEALTHY
        case Condition.COMPLETED:
            hopeless = failed or (ended and not view.succeeded)
        case _:
            assert_never(condition)
    if not hopeless:
        return ""
    return f"{view.spec.name} is {view.state}" + (f": {view.reason}" if view.reason else "")
