"""From a plan to running pods: which step comes next.

Owns the life of one deployment as a state machine: images first, then pods in the order that
`depends_on` and its conditions allow, then restarts, and the same again for whatever differs when
another plan comes while it runs. Pure: the shell in `launch.py` sends its commands to a pod node
and brings back what became of them. It outlives nodes: when one is lost, its pods wait for the
next.

Follows Compose: a pod that waits for something that turned unhealthy, or ended for good, is blocked
until that changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from orchestrator.deploy_entries import (
    HEALTH_PHASES,
    Entry,
    Fate,
    Tally,
    holds,
    is_outdated,
    observed_pod,
    obstacle_in,
    orphan,
)
from orchestrator.deploy_events import (
    BootFailed,
    BootPod,
    Command,
    DropPod,
    Event,
    FinishRollout,
    ImageFailed,
    ImageProgressed,
    ImageReady,
    KeepRestarts,
    NetworksSwitched,
    NodeLost,
    Planned,
    PrepareImage,
    RemovePod,
    RollBack,
    ShowPod,
    ShowRollout,
    StopPod,
    SwitchNetworks,
    TimerFired,
)
from orchestrator.phases import Phase, PodView
from orchestrator.plan import Condition, Dependency
from orchestrator.reconcile import ObservedPod
from orchestrator.restart import RestartTimer
from orchestrator.rollout import Rollout, RolloutState
from orchestrator.steps import Boot, Remove, Replace, Restart, Stop
from orchestrator.steps import PrepareImage as PrepareImageStep
from orchestrator.topology.values import RestartPolicy
from pod_node.health import Health
from pod_node.status import (
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodState,
    PodStateChanged,
    exit_reason,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.restart import RestartRecord
    from orchestrator.rollout import RolloutView
    from pod_node.spec import PodExit
    from pod_node.status import PodStatus

_OVER = (RolloutState.COMPLETED, RolloutState.ROLLED_BACK)


class Deployment:
    """All pods of one deployment, from the first image to the last exit."""

    def __init__(self, records: Mapping[str, RestartRecord] | None = None) -> None:
        """Begin without any pod.

        Args:
            records: What is remembered of restarts, by pod.
        """
        self._records = dict(records or {})
        self._entries: dict[str, Entry] = {}
        self._services: dict[str, dict[str, Entry]] = {}
        self._timers: dict[str, float] = {}
        """When pods that ended start again."""
        self._pending: dict[str, None] = {}
        """Pods that wait for their start, those that are blocked included."""
        self._images: dict[str, bool] = {}
        self._moving: frozenset[str] = frozenset()
        """Networks that are taken away or come back with another range."""
        self._switching = False
        self._rollouts: dict[str, Rollout] = {}
        self._revision = 0
        self._grace_s: float | None = None
        self._tally = Tally()
        self._verdicts: dict[tuple[str, Condition], bool | str] = {}
        self._now = 0.0
        self._commands: list[Command] = []
        self._had_pods = False
        self.plans = 0
        """How many plans there have been."""

    @property
    def views(self) -> list[PodView]:
        """All pods, in the plan's order."""
        return [entry.view for entry in self._entries.values()]

    @property
    def settled(self) -> bool:
        """Whether every pod has come as far as it can by itself."""
        return not self._tally.unsettled and not self._is_updating

    @property
    def started(self) -> bool:
        """Whether every pod that is to run has been started."""
        return not self._tally.unstarted and not self._is_updating

    @property
    def finished(self) -> bool:
        """Whether every pod has ended, and none will run again by itself."""
        ended = not self._tally.unfinished and bool(self._entries or not self._had_pods)
        return ended and not self._is_updating

    @property
    def failures(self) -> list[PodView]:
        """Pods that could not start."""
        return [self._entries[name].view for name in self._tally.failed]

    @property
    def rollouts(self) -> list[RolloutView]:
        """Services whose pods are being replaced, or whose replacement came to a stand."""
        views = self._view_table
        return [rollout.view(views, self._revision) for rollout in self._rollouts.values()]

    @property
    def images(self) -> frozenset[str]:
        """The images that are ready, or being made so."""
        return frozenset(self._images)

    @property
    def observed(self) -> dict[str, ObservedPod]:
        """Every pod that there is or is about to be."""
        return {
            name: observed_pod(entry) for name, entry in self._entries.items() if not entry.lost
        }

    def poll_at(self) -> float | None:
        """When something is due by time alone."""
        due = list(self._timers.values())
        due += [at for rollout in self._rollouts.values() if (at := rollout.poll_at()) is not None]
        return min(due, default=None)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one event and say what to do about it."""
        self._now = now
        match event:
            case Planned():
                self._on_plan(event)
            case ImageProgressed(image, phase):
                self._show_waiting(image, phase)
            case ImageReady(image):
                self._images[image] = True
                self._show_waiting(image, Phase.WAITING)
            case ImageFailed(image, reason):
                self._on_image_failed(image, reason)
            case NetworksSwitched():
                self._moving, self._switching = frozenset(), False
            case NodeLost(reason):
                self._on_node_lost(reason)
            case TimerFired():
                self._restart_due()
            case PodExisting(status=status):
                self._adopt(status)
            case BootFailed(pod, reason):
                self._on_boot_failed(pod, reason)
            case PodStateChanged() | PodHealthChanged() | PodPauseChanged() | PodExited():
                self._on_pod(event)
            case _:
                assert_never(event)
        self._advance()
        commands, self._commands = self._commands, []
        return commands

    # --- a plan ---

    def _on_plan(self, event: Planned) -> None:
        desired = event.desired
        self.plans += 1
        self._revision, self._moving = event.revision, event.moving
        self._grace_s = event.grace_s
        self._arrange(event)
        replaced: dict[str, list[Replace]] = {}
        for step in event.steps:
            match step:
                case Boot(pod=pod):
                    self._start(self._entries[pod.spec.name])
                case Replace(pod=pod):
                    replaced.setdefault(pod.spec.service, []).append(step)
                case Restart(pod=pod):
                    self._end(self._entries[pod.spec.name], Fate.BOOT)
                case Remove(name=name):
                    self._end(self._entries[name], Fate.REMOVE)
                case Stop(pod=pod):
                    self._end(self._entries[pod.spec.name], Fate.STOP)
                case PrepareImageStep(image=image):
                    self._prepare(image)
                case _:
                    pass  # networks and portals are the shell's
        self._roll_out(event, replaced)
        for entry in list(self._entries.values()):
            if entry.name in desired.stopped:
                self._keep_stopped(entry)
            self._judge(entry)
            if entry.view.phase.pending or entry.name in self._timers:
                self._prepare(entry.view.spec.image)

    def _arrange(self, event: Planned) -> None:
        """Have an entry for each pod of the plan, in its order, and keep those that are to go."""
        before, self._entries = self._entries, {}
        for pod in event.desired.plan.pods:
            name = pod.spec.name
            entry = before.pop(name, None)
            if entry is None:
                idle = name in event.desired.stopped
                phase = Phase.STOPPED if idle else Phase.WAITING
                entry = Entry(pod, PodView(spec=pod.spec, phase=phase), RestartTimer(pod.restart))
                self._entries[name] = entry
                self._note(entry, shown=False)
            else:
                self._entries[name] = entry
                entry.planned, entry.timer.policy = pod, pod.restart
                idle = entry.view.phase.pending or entry.view.phase is Phase.STOPPED
                if idle and entry.fate is Fate.POLICY:
                    self._change(entry, spec=pod.spec)
                self._change(entry, outdated=is_outdated(entry))
        self._entries |= before
        self._services = {}
        for name, entry in self._entries.items():
            self._services.setdefault(entry.planned.spec.service, {})[name] = entry
        self._verdicts.clear()
        self._had_pods = self._had_pods or bool(self._entries)

    def _roll_out(self, event: Planned, replaced: Mapping[str, list[Replace]]) -> None:
        for service, reason in event.standing.items():
            if service in self._services and service not in replaced:
                policy = event.policies[service]
                self._rollouts[service] = Rollout.standing(service, policy, reason)
        for service in list(self._rollouts):
            gone = service not in self._services
            if gone or (service not in event.standing and not self._rollouts[service].active):
                del self._rollouts[service]
        for service in {**replaced, **event.surges}:
            if service not in self._services:
                continue
            steps = replaced.get(service, [])
            named = {step.pod.spec.name for step in steps}
            surges = event.surges.get(service, ())
            begun = [
                name
                for name, entry in self._services[service].items()
                if name not in named and (name in surges or self._is_on_its_way(entry))
            ]
            waiting = []
            for step in steps:
                entry = self._entries[step.pod.spec.name]
                if step.at_once or not entry.view.phase.alive or entry.fate is not Fate.POLICY:
                    begun.append(entry.name)
                    self._end(entry, Fate.BOOT)
                else:
                    waiting.append(entry)
            waiting.sort(key=lambda entry: entry.view.ready)  # those that serve nobody first
            names = [entry.name for entry in waiting]
            self._rollouts[service] = Rollout(service, event.policies[service], names, begun)
            self._show_rollout(self._rollouts[service])

    def _is_on_its_way(self, entry: Entry) -> bool:
        leaving = entry.fate in (Fate.REMOVE, Fate.STOP)
        return not (leaving or entry.view.ready or entry.view.phase.final)

    def _keep_stopped(self, entry: Entry) -> None:
        """Have a pod that was stopped stay so, whatever else was under way."""
        if entry.fate is Fate.REMOVE:
            entry.fate = Fate.STOP
        if entry.unjudged is not None:
            entry.unjudged = None
            self._change(entry, phase=Phase.STOPPED, reason="")

    def _start(self, entry: Entry) -> None:
        """Start a pod that is not there, or see to it that one that is ending comes back."""
        if entry.view.phase is Phase.STOPPING:
            entry.fate = Fate.BOOT
        elif entry.lost:
            entry.lost = False
        elif not entry.view.phase.pending:
            self._renew(entry)

    def _end(self, entry: Entry, fate: Fate) -> None:
        """End a pod, and note what follows."""
        entry.fate, entry.unjudged = fate, None
        self._schedule(entry, None)
        if entry.view.phase is Phase.STOPPING:
            return
        if not entry.view.phase.alive:
            self._after_end(entry)
            return
        self._change(entry, phase=Phase.STOPPING, reason="")
        grace_s = entry.planned.grace_s if self._grace_s is None else self._grace_s
        self._commands.append(StopPod(entry.name, grace_s))

    def _after_end(self, entry: Entry) -> None:
        fate, entry.fate = entry.fate, Fate.POLICY
        match fate:
            case Fate.BOOT:
                self._renew(entry)
            case Fate.STOP:
                self._change(entry, phase=Phase.STOPPED, reason="", paused=False, outdated=False)
            case Fate.REMOVE:
                self._drop(entry)
            case Fate.POLICY:
                raise AssertionError("somebody asked for this end")

    def _renew(self, entry: Entry) -> None:
        """Begin anew with what is planned now."""
        self._forget_restarts(entry)
        entry.timer = RestartTimer(entry.planned.restart)
        entry.fate, entry.unjudged = Fate.POLICY, None
        self._schedule(entry, None)
        entry.has_run, entry.lost, entry.note = False, False, ""
        self._prepare(entry.planned.spec.image)
        entry.view = PodView(spec=entry.planned.spec)
        self._note(entry)

    def _drop(self, entry: Entry) -> None:
        if entry.booted:
            self._commands.append(RemovePod(entry.name))
        self._forget_restarts(entry)
        del self._entries[entry.name]
        del self._services[entry.planned.spec.service][entry.name]
        if not self._services[entry.planned.spec.service]:
            del self._services[entry.planned.spec.service]
        self._pending.pop(entry.name, None)
        self._timers.pop(entry.name, None)
        self._tally.drop(entry.name)
        self._verdicts.clear()
        self._commands.append(DropPod(entry.name))

    # --- images ---

    def _prepare(self, image: str) -> None:
        if image not in self._images:
            self._images[image] = False
            self._commands.append(PrepareImage(image))

    def _waiting_for(self, image: str) -> Iterator[Entry]:
        for name in list(self._pending):
            entry = self._entries[name]
            if entry.view.phase.pending and entry.view.spec.image == image:
                yield entry

    def _show_waiting(self, image: str, phase: Phase) -> None:
        for entry in self._waiting_for(image):
            self._change(entry, phase=phase)

    def _on_image_failed(self, image: str, reason: str) -> None:
        self._images.pop(image, None)  # another plan may try again
        for entry in self._waiting_for(image):
            self._change(entry, phase=Phase.FAILED, reason=reason)
        for rollout in self._rollouts.values():
            pods = self._services.get(rollout.service, {}).values()
            if rollout.active and any(
                entry.view.outdated and entry.planned.spec.image == image for entry in pods
            ):
                rollout.fail(reason)
                self._show_rollout(rollout)

    # --- the node ---

    def _adopt(self, status: PodStatus) -> None:
        """Take over a pod that was there before us, or whose news were lost."""
        spec = status.spec
        known = self._entries.get(spec.name)
        if known is not None and known.booted:
            self._catch_up(known, status)
            return
        record = self._records.get(spec.name)
        entry = Entry(orphan(spec), PodView(spec=spec), RestartTimer(RestartPolicy(), record))
        entry.booted, entry.has_run, entry.generation = True, True, status.generation
        entry.started_at = self._now  # a life that was watched is judged by the node's own times
        phase = HEALTH_PHASES.get(status.health or Health.STARTING, Phase.RUNNING)
        match status.state:
            case PodState.BOOTING:
                phase = Phase.STARTING
            case PodState.STOPPING:
                phase, entry.fate = Phase.STOPPING, Fate.BOOT
            case PodState.EXITED:
                phase, entry.unjudged = Phase.EXITED, status
            case PodState.RUNNING:
                pass
            case _:
                assert_never(status.state)
        reason = exit_reason(status.exit, "") if status.exit else status.health_reason
        entry.view = PodView(
            spec=spec,
            phase=phase,
            reason=reason,
            exit=status.exit,
            boot_s=status.boot_s or None,
            restarts=entry.timer.restarts,
            paused=status.paused,
        )
        self._entries[spec.name] = entry
        self._services.setdefault(spec.service, {})[spec.name] = entry
        self._note(entry)

    def _catch_up(self, entry: Entry, status: PodStatus) -> None:
        if status.generation < entry.generation or not entry.view.phase.alive:
            return
        entry.generation = status.generation
        if status.exit is not None:
            self._on_exit(
                entry,
                PodExited(
                    pod=entry.name,
                    generation=status.generation,
                    exit=status.exit,
                    last_error_line="",
                ),
            )
        elif entry.view.phase is not Phase.STOPPING and status.state is PodState.RUNNING:
            phase = HEALTH_PHASES.get(status.health or Health.STARTING, Phase.RUNNING)
            self._change(entry, phase=phase, paused=status.paused)

    def _judge(self, entry: Entry) -> None:
        """Decide about a pod that ended while nobody looked."""
        status, entry.unjudged = entry.unjudged, None
        if status is None or status.exit is None or entry.view.phase is not Phase.EXITED:
            return
        record = self._records.get(entry.name)
        if record is not None and record.generation >= status.generation:
            self._schedule(entry, record.due_at)
            if record.due_at is not None:
                looping = entry.timer.looping
                phase = Phase.CRASH_LOOP if looping else Phase.RESTARTING
                self._change(entry, phase=phase)
            return
        self._count_end(entry, status.exit, status.exited_at_s - status.booted_at_s)

    def _on_node_lost(self, reason: str) -> None:
        self._images.clear()
        self._rollouts = {k: r for k, r in self._rollouts.items() if not r.active}
        self._moving, self._switching = frozenset(), False
        for entry in list(self._entries.values()):
            entry.booted, entry.generation = False, 0
            fate, was_alive = entry.fate, entry.view.phase.alive
            if fate in (Fate.STOP, Fate.REMOVE):
                self._after_end(entry)
            elif was_alive:
                entry.fate, entry.lost, entry.note = Fate.POLICY, True, reason
                entry.timer.restarts += 1
                self._change(
                    entry,
                    phase=Phase.WAITING,
                    spec=entry.planned.spec,
                    reason=reason,
                    restarts=entry.timer.restarts,
                    paused=False,
                    outdated=False,
                    ready_s=None,
                )
                self._keep_restarts(entry)
            elif entry.view.phase.pending:
                entry.lost = True

    # --- pods ---

    def _on_pod(
        self, event: PodStateChanged | PodHealthChanged | PodPauseChanged | PodExited
    ) -> None:
        entry = self._entries.get(event.pod)
        if entry is None or event.generation < entry.generation:
            return
        entry.generation = event.generation
        match event:
            case PodExited():
                self._on_exit(entry, event)
            case PodPauseChanged():
                self._change(entry, paused=event.paused)
            case _ if entry.view.phase is Phase.STOPPING:
                return
            case PodStateChanged():
                if event.state is PodState.RUNNING:
                    entry.has_run = True
                    self._change(entry, phase=Phase.RUNNING, reason=entry.note, boot_s=event.boot_s)
            case PodHealthChanged():
                self._on_health(entry, event)
            case _:
                assert_never(event)

    def _on_health(self, entry: Entry, change: PodHealthChanged) -> None:
        match change.health:
            case Health.STARTING:
                return
            case Health.HEALTHY:
                ready_s = entry.view.ready_s or self._now - entry.started_at
                self._change(entry, phase=Phase.HEALTHY, reason=entry.note, ready_s=ready_s)
            case Health.UNHEALTHY:
                self._change(entry, phase=Phase.UNHEALTHY, reason=change.reason)

    def _on_boot_failed(self, pod: str, reason: str) -> None:
        entry = self._entries.get(pod)
        if entry is not None and entry.fate is not Fate.POLICY:
            self._after_end(entry)
        elif entry is not None:
            self._change(entry, phase=Phase.FAILED, reason=reason)

    def _on_exit(self, entry: Entry, exited: PodExited) -> None:
        entry.has_run = True  # or was ended before it could, which is as much of a start
        if entry.fate is not Fate.POLICY:
            self._after_end(entry)
            return
        self._change(entry, reason=exit_reason(exited.exit, exited.last_error_line))
        self._count_end(entry, exited.exit, self._now - entry.started_at)

    def _count_end(self, entry: Entry, end: PodExit, life_s: float) -> None:
        delay_s = entry.timer.delay_s(end.status, life_s)
        phase = Phase.EXITED
        if delay_s is not None:
            self._schedule(entry, self._now + delay_s)
            phase = Phase.CRASH_LOOP if entry.timer.looping else Phase.RESTARTING
        self._change(entry, phase=phase, exit=end, restarts=entry.timer.restarts, paused=False)
        self._keep_restarts(entry)

    def _restart_due(self) -> None:
        for name in [name for name, at in self._timers.items() if at <= self._now]:
            entry = self._entries[name]
            self._schedule(entry, None)
            if self._images.get(entry.view.spec.image, True):
                self._boot(entry)
            else:
                self._change(entry, phase=Phase.WAITING)

    # --- what may begin ---

    def _advance(self) -> None:
        """Start what may start, block what cannot, and replace whose turn it is."""
        self._switch_networks()
        for rollout in self._rollouts.values():
            self._advance_rollout(rollout)
        for service in [k for k, r in self._rollouts.items() if r.state in _OVER]:
            del self._rollouts[service]
        changed = bool(self._pending)
        while changed:
            changed = False
            for name in list(self._pending):
                entry = self._entries[name]
                if entry.lost or self._images.get(entry.view.spec.image) is not True:
                    continue
                if not any(i.network in self._moving for i in entry.view.spec.interfaces):
                    changed |= self._try_start(entry)

    def _switch_networks(self) -> None:
        """Have networks exchanged once nobody is on them any more."""
        if not self._moving or self._switching:
            return
        occupied = any(
            entry.view.phase.alive
            and any(i.network in self._moving for i in entry.view.spec.interfaces)
            for entry in self._entries.values()
        )
        if not occupied:
            self._switching = True
            self._commands.append(SwitchNetworks())

    def _advance_rollout(self, rollout: Rollout) -> None:
        if not rollout.active:
            return
        before = rollout.state
        views = {n: e.view for n, e in self._services.get(rollout.service, {}).items()}
        batch = rollout.advance(views, self._now, self._can_begin)
        for name in batch:
            self._end(self._entries[name], Fate.BOOT)
        if batch or rollout.state is not before:
            self._show_rollout(rollout)
        if rollout.state is RolloutState.COMPLETED:
            self._commands.append(FinishRollout(rollout.service))
        elif rollout.state is RolloutState.ROLLED_BACK:
            self._commands.append(RollBack(rollout.service, rollout.reason))

    def _can_begin(self, name: str) -> bool:
        return self._images.get(self._entries[name].planned.spec.image) is True

    def _try_start(self, entry: Entry) -> bool:
        verdicts = [self._verdict(dependency) for dependency in entry.planned.depends_on]
        obstacle = next((verdict for verdict in verdicts if isinstance(verdict, str)), None)
        if obstacle is not None:
            is_news = entry.view.phase is not Phase.BLOCKED
            self._change(entry, phase=Phase.BLOCKED, reason=obstacle)
            return is_news
        if not all(verdicts):
            if entry.view.phase is Phase.BLOCKED:
                self._change(entry, phase=Phase.WAITING, reason="")
            return False
        self._boot(entry)
        return True

    def _verdict(self, dependency: Dependency) -> bool | str:
        """Say whether a condition holds, or, while it cannot, why."""
        key = dependency.service, dependency.condition
        if key not in self._verdicts:
            self._verdicts[key] = self._judge_condition(dependency)
        return self._verdicts[key]

    def _judge_condition(self, dependency: Dependency) -> bool | str:
        entries = self._services.get(dependency.service, {}).values()
        for entry in entries:
            obstacle = obstacle_in(entry.view, dependency.condition)
            if obstacle:
                return obstacle
        return all(holds(entry, dependency.condition) for entry in entries)

    def _boot(self, entry: Entry) -> None:
        entry.started_at, entry.booted = self._now, True
        self._change(entry, phase=Phase.STARTING, reason="", boot_s=None, ready_s=None)
        self._commands.append(BootPod(entry.view.spec, bool(entry.planned.depends_on)))

    # --- notes ---

    @property
    def _is_updating(self) -> bool:
        return any(rollout.active for rollout in self._rollouts.values()) or bool(self._moving)

    @property
    def _view_table(self) -> dict[str, PodView]:
        return {name: entry.view for name, entry in self._entries.items()}

    def _show_rollout(self, rollout: Rollout) -> None:
        views = {n: e.view for n, e in self._services.get(rollout.service, {}).items()}
        self._commands.append(ShowRollout(rollout.view(views, self._revision)))

    def _keep_restarts(self, entry: Entry) -> None:
        record = entry.timer.record(entry.generation, self._timers.get(entry.name))
        self._records[entry.name] = record
        self._commands.append(KeepRestarts(entry.name, record))

    def _forget_restarts(self, entry: Entry) -> None:
        if self._records.pop(entry.name, None) is not None:
            self._commands.append(KeepRestarts(entry.name, None))

    def _schedule(self, entry: Entry, at: float | None) -> None:
        """Start a pod again at some time; None is not at all."""
        self._timers.pop(entry.name, None)
        if at is not None:
            self._timers[entry.name] = at

    def _change(self, entry: Entry, **changes: object) -> None:
        view = replace(entry.view, **changes)  # type: ignore[arg-type]
        if view != entry.view:
            entry.view = view
            self._note(entry)

    def _note(self, entry: Entry, *, shown: bool = True) -> None:
        """Take note of a pod's new state everywhere where it counts."""
        view, name = entry.view, entry.view.spec.name
        self._tally.take(view)
        if view.phase.pending or view.phase is Phase.BLOCKED:
            self._pending[name] = None
        else:
            self._pending.pop(name, None)
        for condition in Condition:
            self._verdicts.pop((view.spec.service, condition), None)
        if shown:
            self._commands.append(ShowPod(view))
