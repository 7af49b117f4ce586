"""The lives of pods: how each begins and is ended, what the node tells of it, and what comes after.

Owns the fate of a pod that was asked to end, and the restart policy of one that was not. When a pod
may begin is `deployment.py`'s business, and when it is replaced `rollouts.py`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from orchestrator.lifecycle.entries import Fate
from orchestrator.lifecycle.events import BootPod, StopPod
from orchestrator.lifecycle.restart import RestartTimer
from orchestrator.views.phases import Phase, PodView
from pod_node.health import Health
from pod_node.status import (
    PodDiskFull,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodState,
    PodStateChanged,
    exit_reason,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.lifecycle.entries import Entry
    from orchestrator.lifecycle.images import Images
    from orchestrator.lifecycle.pods import Pods
    from pod_node.spec import PodExit


class Lives:
    """Begins and ends the lives of pods."""

    def __init__(self, pods: Pods, images: Images) -> None:
        """Prepare for the pods of one deployment."""
        self._pods = pods
        self._images = images
        self.grace_s: float | None = None
        """How long a pod gets to end by itself; None leaves it to its service."""

    # --- what somebody asks for ---

    def start(self, entry: Entry) -> None:
        """Start a pod that is not there, or see to it that one that is ending comes back."""
        if entry.view.phase is Phase.STOPPING:
            entry.fate = Fate.BOOT
        elif entry.lost:
            entry.lost = False
            self._pods.wake(entry)
        elif not entry.view.phase.pending:
            self._renew(entry)

    def end(self, entry: Entry, fate: Fate) -> None:
        """End a pod, and note what follows."""
        entry.fate, entry.unjudged = fate, None
        self._pods.schedule(entry, None)
        if entry.view.phase is Phase.STOPPING:
            return
        if not entry.view.phase.alive:
            self._after_end(entry)
            return
        self._pods.change(entry, phase=Phase.STOPPING, reason="")
        grace_s = entry.planned.grace_s if self.grace_s is None else self.grace_s
        self._pods.commands.append(StopPod(entry.name, grace_s))

    def keep_stopped(self, entry: Entry) -> None:
        """Have a pod that was stopped stay so, whatever else was under way."""
        if entry.fate is Fate.REMOVE:
            entry.fate = Fate.STOP
        if entry.unjudged is not None:
            entry.unjudged = None
            self._pods.change(entry, phase=Phase.STOPPED, reason="")

    def boot(self, entry: Entry) -> None:
        """Begin a pod's life on the node."""
        entry.started_at, entry.booted = self._pods.now, True
        self._pods.change(
            entry, phase=Phase.STARTING, reason="", boot_s=None, ready_s=None, full_disk=""
        )
        self._pods.commands.append(BootPod(entry.view.spec, bool(entry.planned.depends_on)))

    def restart_due(self) -> None:
        """Begin the lives whose time has come."""
        timers, now = self._pods.timers, self._pods.now
        for name in [name for name, at in timers.items() if at <= now]:
            entry = self._pods.entries[name]
            self._pods.schedule(entry, None)
            if self._images.is_underway(entry.view.spec.image):
                self._pods.change(entry, phase=Phase.WAITING)
            else:
                self.boot(entry)

    # --- what the node tells ---

    def on_pod(
        self,
        event: PodStateChanged | PodHealthChanged | PodPauseChanged | PodDiskFull | PodExited,
    ) -> None:
        """Take what the node tells of a pod, unless it is of an earlier life."""
        entry = self._pods.entries.get(event.pod)
        if entry is None or event.generation < entry.generation:
            return
        entry.generation = event.generation
        match event:
            case PodExited():
                self.on_exit(entry, event)
            case PodPauseChanged():
                self._pods.change(entry, paused=event.paused)
            case PodDiskFull():
                self._on_full_disk(entry, event.target)
            case _ if entry.view.phase is Phase.STOPPING:
                return
            case PodStateChanged():
                if event.state is PodState.RUNNING:
                    entry.has_run = True
                    self._pods.change(
                        entry, phase=Phase.RUNNING, reason=entry.remark(), boot_s=event.boot_s
                    )
            case PodHealthChanged():
                self._on_health(entry, event)
            case _:
                assert_never(event)

    def _on_health(self, entry: Entry, change: PodHealthChanged) -> None:
        match change.health:
            case Health.STARTING:
                return
            case Health.HEALTHY:
                ready_s = entry.view.ready_s or self._pods.now - entry.started_at
                remark = entry.remark()
                self._pods.change(entry, phase=Phase.HEALTHY, reason=remark, ready_s=ready_s)
            case Health.UNHEALTHY:
                self._pods.change(entry, phase=Phase.UNHEALTHY, reason=change.reason)

    def _on_full_disk(self, entry: Entry, target: str) -> None:
        # one that is unhealthy has a reason of its own
        is_unhealthy = entry.view.phase is Phase.UNHEALTHY
        reason = entry.view.reason if is_unhealthy else entry.remark(target)
        self._pods.change(entry, full_disk=target, reason=reason)

    def on_boot_failed(self, pod: str, reason: str) -> None:
        """Take it that a pod could not be booted."""
        entry = self._pods.entries.get(pod)
        if entry is not None and entry.fate is not Fate.POLICY:
            self._after_end(entry)
        elif entry is not None:
            self._pods.change(entry, phase=Phase.FAILED, reason=reason)

    def on_exit(self, entry: Entry, exited: PodExited) -> None:
        """Take it that a pod has ended."""
        entry.has_run = True  # or was ended before it could, which is as much of a start
        if entry.fate is not Fate.POLICY:
            self._after_end(entry)
            return
        self._pods.change(entry, reason=exit_reason(exited.exit, exited.last_error_line))
        self.count_end(entry, exited.exit, self._pods.now - entry.started_at)

    def on_node_lost(self, reason: str) -> None:
        """Have all pods that went with their node wait for the next."""
        self._lose_all(list(self._pods.entries.values()), reason)

    def displace(self, pods: Collection[str], reason: str) -> None:
        """Have pods booted again, on other nodes; those that had no room get another try."""
        entries = [self._pods.entries[pod] for pod in pods if pod in self._pods.entries]
        for entry in entries:
            if entry.view.phase is Phase.FAILED:
                self.start(entry)
        self._lose_all(entries, reason)
        for entry in entries:
            entry.lost = False  # there are other nodes, and no plan has to come first
            self._pods.wake(entry)

    def _lose_all(self, entries: Iterable[Entry], reason: str) -> None:
        for entry in entries:
            entry.booted, entry.generation = False, 0
            fate, was_alive = entry.fate, entry.view.phase.alive
            if fate in (Fate.STOP, Fate.REMOVE):
                self._after_end(entry)
            elif was_alive:
                self._lose(entry, reason)
            elif entry.view.phase.pending:
                entry.lost = True

    def _lose(self, entry: Entry, reason: str) -> None:
        entry.fate, entry.lost, entry.note = Fate.POLICY, True, reason
        entry.timer.restarts += 1
        self._pods.change(
            entry,
            phase=Phase.WAITING,
            spec=entry.planned.spec,
            reason=reason,
            restarts=entry.timer.restarts,
            paused=False,
            outdated=False,
            ready_s=None,
        )
        self._pods.keep_restarts(entry)

    # --- what comes after an end ---

    def count_end(self, entry: Entry, end: PodExit, life_s: float) -> None:
        """Let the restart policy decide about a pod that ended by itself."""
        delay_s = entry.timer.delay_s(end.status, life_s)
        phase = Phase.EXITED
        if delay_s is not None:
            self._pods.schedule(entry, self._pods.now + delay_s)
            phase = Phase.CRASH_LOOP if entry.timer.looping else Phase.RESTARTING
        self._pods.change(entry, phase=phase, exit=end, restarts=entry.timer.restarts, paused=False)
        self._pods.keep_restarts(entry)

    def _after_end(self, entry: Entry) -> None:
        fate, entry.fate = entry.fate, Fate.POLICY
        match fate:
            case Fate.BOOT:
                self._renew(entry)
            case Fate.STOP:
                self._pods.change(
                    entry, phase=Phase.STOPPED, reason="", paused=False, outdated=False
                )
            case Fate.REMOVE:
                self._pods.drop(entry)
            case Fate.POLICY:
                raise AssertionError("somebody asked for this end")

    def _renew(self, entry: Entry) -> None:
        """Begin anew with what is planned now."""
        self._pods.forget_restarts(entry)
        entry.timer = RestartTimer(entry.planned.restart)
        entry.fate, entry.unjudged = Fate.POLICY, None
        self._pods.schedule(entry, None)
        entry.has_run, entry.lost, entry.note = False, False, ""
        self._images.prepare(entry.planned.spec.image)
        entry.view = PodView(spec=entry.planned.spec)
        self._pods.note(entry)
