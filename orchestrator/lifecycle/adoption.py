"""Pods that were there before the machine was, or whose news were lost.

Owns how a pod that the node reports becomes an entry, and the judgement on one that ended while
nobody looked: the plan has to be known before its restart policy can be asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from orchestrator.lifecycle.entries import HEALTH_PHASES, Entry, Fate, orphan
from orchestrator.lifecycle.restart import RestartTimer
from orchestrator.topology.values import RestartPolicy
from orchestrator.views.phases import Phase, PodView
from pod_node.health import Health
from pod_node.status import PodExited, PodState, exit_reason

if TYPE_CHECKING:
    from orchestrator.lifecycle.lives import Lives
    from orchestrator.lifecycle.pods import Pods
    from pod_node.status import PodStatus


class Adoption:
    """Takes over what a node runs already."""

    def __init__(self, pods: Pods, lives: Lives) -> None:
        """Prepare for the pods of one deployment."""
        self._pods = pods
        self._lives = lives

    def adopt(self, status: PodStatus) -> None:
        """Take over a pod that was there before us, or whose news were lost."""
        spec = status.spec
        known = self._pods.entries.get(spec.name)
        if known is not None and known.booted:
            self._catch_up(known, status)
            return
        record = self._pods.record(spec.name)
        entry = Entry(orphan(spec), PodView(spec=spec), RestartTimer(RestartPolicy(), record))
        entry.booted, entry.has_run, entry.generation = True, True, status.generation
        entry.started_at = self._pods.now  # a watched life is judged by the node's own times
        phase = _phase_of(status)
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
            full_disk=status.full_disk,
        )
        if status.full_disk and not reason:
            entry.view = replace(entry.view, reason=entry.remark())
        self._pods.add(entry)

    def _catch_up(self, entry: Entry, status: PodStatus) -> None:
        if status.generation < entry.generation or not entry.view.phase.alive:
            return
        entry.generation = status.generation
        if status.exit is not None:
            self._lives.on_exit(
                entry,
                PodExited(
                    pod=entry.name,
                    generation=status.generation,
                    exit=status.exit,
                    last_error_line="",
                ),
            )
        elif entry.view.phase is not Phase.STOPPING and status.state is PodState.RUNNING:
            self._pods.change(
                entry, phase=_phase_of(status), paused=status.paused, full_disk=status.full_disk
            )

    def judge(self, entry: Entry) -> None:
        """Decide about a pod that ended while nobody looked."""
        status, entry.unjudged = entry.unjudged, None
        if status is None or status.exit is None or entry.view.phase is not Phase.EXITED:
            return
        record = self._pods.record(entry.name)
        if record is not None and record.generation >= status.generation:
            self._pods.schedule(entry, record.due_at)
            if record.due_at is not None:
                looping = entry.timer.looping
                phase = Phase.CRASH_LOOP if looping else Phase.RESTARTING
                self._pods.change(entry, phase=phase)
            return
        self._lives.count_end(entry, status.exit, status.exited_at_s - status.booted_at_s)


def _phase_of(status: PodStatus) -> Phase:
    return HEALTH_PHASES.get(status.health or Health.STARTING, Phase.RUNNING)
