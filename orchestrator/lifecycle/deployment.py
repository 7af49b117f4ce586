"""The state machine of one deployment: events in, commands out.

Owns the order: images first, then pods in the order that `depends_on` and its conditions allow,
then restarts, and the same again for whatever differs when another plan comes while it runs. The
shell in `launch/` sends the commands to a pod node and brings back what became of them. It
outlives nodes: when one is lost, its pods wait for the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from orchestrator.desired.steps import Boot, PrepareImage, Remove, Replace, Restart, Stop
from orchestrator.lifecycle.adoption import Adoption
from orchestrator.lifecycle.entries import Fate, observed_pod
from orchestrator.lifecycle.events import (
    BootFailed,
    ImageFailed,
    ImageProgressed,
    ImageReady,
    NetworksSwitched,
    NodeLost,
    Planned,
    SwitchNetworks,
    TimerFired,
)
from orchestrator.lifecycle.images import Images
from orchestrator.lifecycle.lives import Lives
from orchestrator.lifecycle.pods import Pods
from orchestrator.lifecycle.rollouts import Rollouts
from orchestrator.views.phases import Phase
from pod_node.status import (
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodStateChanged,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.desired.reconcile import ObservedPod
    from orchestrator.desired.steps import Step
    from orchestrator.lifecycle.entries import Entry
    from orchestrator.lifecycle.events import Command, Event
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.views.phases import PodView


class Deployment:
    """All pods of one deployment, from the first image to the last exit."""

    def __init__(self, records: Mapping[str, RestartRecord] | None = None) -> None:
        """Begin without any pod.

        Args:
            records: What is remembered of restarts, by pod.
        """
        self._commands: list[Command] = []
        self._pods = Pods(self._commands, records or {})
        self._images = Images(self._commands)
        self._lives = Lives(self._pods, self._images)
        self._adoption = Adoption(self._pods, self._lives)
        self._rollouts = Rollouts(self._pods, self._images, self._lives)
        self._moving: frozenset[str] = frozenset()
        """Networks that are taken away or come back with another range."""
        self._switching = False
        self.plans = 0
        """How many plans there have been."""

    # --- what there is ---

    @property
    def views(self) -> list[PodView]:
        """All pods, in the plan's order."""
        return [entry.view for entry in self._pods.entries.values()]

    @property
    def settled(self) -> bool:
        """Whether every pod has come as far as it can by itself."""
        return not self._pods.tally.unsettled and not self._is_updating

    @property
    def started(self) -> bool:
        """Whether every pod that is to run has been started."""
        return not self._pods.tally.unstarted and not self._is_updating

    @property
    def finished(self) -> bool:
        """Whether every pod has ended, and none will run again by itself."""
        pods = self._pods
        ended = not pods.tally.unfinished and bool(pods.entries or not pods.had_any)
        return ended and not self._is_updating

    @property
    def failures(self) -> list[PodView]:
        """Pods that could not start."""
        return [self._pods.entries[name].view for name in self._pods.tally.failed]

    @property
    def rollouts(self) -> list[RolloutView]:
        """Services whose pods are being replaced, or whose replacement came to a stand."""
        return self._rollouts.views

    @property
    def images(self) -> frozenset[str]:
        """The images that are ready, or being made so."""
        return self._images.known

    @property
    def observed(self) -> dict[str, ObservedPod]:
        """Every pod that there is or is about to be."""
        entries = self._pods.entries.items()
        return {name: observed_pod(entry) for name, entry in entries if not entry.lost}

    @property
    def _is_updating(self) -> bool:
        return self._rollouts.active or bool(self._moving)

    # --- what happens ---

    def poll_at(self) -> float | None:
        """When something is due by time alone."""
        return min([*self._pods.timers.values(), *self._rollouts.due()], default=None)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one event and say what to do about it."""
        self._pods.now = now
        match event:
            case Planned():
                self._on_plan(event)
            case ImageProgressed(image, phase):
                self._show_waiting(image, phase)
            case ImageReady(image):
                self._images.note_ready(image)
                self._show_waiting(image, Phase.WAITING)
                self._pods.wake_all()
            case ImageFailed(image, reason):
                self._on_image_failed(image, reason)
            case NetworksSwitched():
                self._moving, self._switching = frozenset(), False
                self._pods.wake_all()
            case NodeLost(reason, None):
                self._on_node_lost(reason)
            case NodeLost(reason, pods):
                self._lives.displace(pods or (), reason)
            case TimerFired():
                self._lives.restart_due()
            case PodExisting(status=status):
                self._adoption.adopt(status)
            case BootFailed(pod, reason):
                self._lives.on_boot_failed(pod, reason)
            case (
                PodStateChanged()
                | PodHealthChanged()
                | PodPauseChanged()
                | PodDiskFull()
                | PodExited()
            ):
                self._lives.on_pod(event)
            case _:
                assert_never(event)
        self._advance()
        commands = self._commands[:]
        self._commands.clear()
        return commands

    def _on_plan(self, event: Planned) -> None:
        self.plans += 1
        self._moving, self._lives.grace_s = event.moving, event.grace_s
        self._pods.arrange(event.desired)
        replaced: dict[str, list[Replace]] = {}
        for step in event.steps:
            if isinstance(step, Replace):
                replaced.setdefault(step.pod.spec.service, []).append(step)
            else:
                self._begin(step)
        self._rollouts.take(event, replaced)
        for entry in list(self._pods.entries.values()):
            if entry.name in event.desired.stopped:
                self._lives.keep_stopped(entry)
            self._adoption.judge(entry)
            if entry.view.phase.pending or entry.name in self._pods.timers:
                self._images.prepare(entry.view.spec.image)

    def _begin(self, step: Step) -> None:
        entries = self._pods.entries
        match step:
            case Boot(pod=pod):
                self._lives.start(entries[pod.spec.name])
            case Restart(pod=pod):
                self._lives.end(entries[pod.spec.name], Fate.BOOT)
            case Remove(name=name):
                self._lives.end(entries[name], Fate.REMOVE)
            case Stop(pod=pod):
                self._lives.end(entries[pod.spec.name], Fate.STOP)
            case PrepareImage(image=image):
                self._images.prepare(image)
            case _:
                pass  # networks and portals are the shell's

    def _on_image_failed(self, image: str, reason: str) -> None:
        self._images.note_failed(image)
        for entry in self._waiting_for(image):
            self._pods.change(entry, phase=Phase.FAILED, reason=reason)
        self._rollouts.on_image_failed(image, reason)

    def _show_waiting(self, image: str, phase: Phase) -> None:
        for entry in self._waiting_for(image):
            self._pods.change(entry, phase=phase)

    def _waiting_for(self, image: str) -> Iterator[Entry]:
        for name in list(self._pods.pending):
            entry = self._pods.entries[name]
            if entry.view.phase.pending and entry.view.spec.image == image:
                yield entry

    def _on_node_lost(self, reason: str) -> None:
        self._images.clear()
        self._rollouts.on_node_lost()
        self._moving, self._switching = frozenset(), False
        self._lives.on_node_lost(reason)

    # --- what may begin ---

    def _advance(self) -> None:
        """Start what may start, block what cannot, and replace whose turn it is."""
        self._switch_networks()
        self._rollouts.advance()
        woken = self._pods.woken
        while woken:
            name = next(iter(woken))
            del woken[name]
            entry = self._pods.entries[name]
            if entry.lost or not self._images.is_ready(entry.view.spec.image):
                continue
            if not self._is_moving(entry):
                self._try_start(entry)

    def _switch_networks(self) -> None:
        """Have networks exchanged once nobody is on them any more."""
        if not self._moving or self._switching:
            return
        entries = self._pods.entries.values()
        if not any(entry.view.phase.alive and self._is_moving(entry) for entry in entries):
            self._switching = True
            self._commands.append(SwitchNetworks())

    def _is_moving(self, entry: Entry) -> bool:
        """Whether a pod is on a network that is being exchanged."""
        return any(i.network in self._moving for i in entry.view.spec.interfaces)

    def _try_start(self, entry: Entry) -> None:
        """Start a pod if it has all that it waits for, or block it."""
        verdicts = [self._pods.verdict(dependency) for dependency in entry.planned.depends_on]
        obstacle = next((verdict for verdict in verdicts if isinstance(verdict, str)), None)
        if obstacle is not None:
            self._pods.change(entry, phase=Phase.BLOCKED, reason=obstacle)
        elif all(verdicts):
            self._lives.boot(entry)
        elif entry.view.phase is Phase.BLOCKED:
            self._pods.change(entry, phase=Phase.WAITING, reason="")
