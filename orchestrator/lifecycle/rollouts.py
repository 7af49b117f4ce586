"""The updates that are under way, one for each service whose pods are being replaced.

Owns which updates a plan begins, keeps and ends, and what is told of each. The pace of one is
`rollout.py`'s; how a pod ends and boots again `lives.py`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lifecycle.entries import Fate
from orchestrator.lifecycle.events import FinishRollout, RollBack, ShowRollout
from orchestrator.lifecycle.rollout import Rollout, RolloutState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.desired.steps import Replace
    from orchestrator.lifecycle.entries import Entry
    from orchestrator.lifecycle.events import Planned
    from orchestrator.lifecycle.images import Images
    from orchestrator.lifecycle.lives import Lives
    from orchestrator.lifecycle.pods import Pods
    from orchestrator.lifecycle.rollout import RolloutView

_OVER = (RolloutState.COMPLETED, RolloutState.ROLLED_BACK)


class Rollouts:
    """The replacement of pods, service by service."""

    def __init__(self, pods: Pods, images: Images, lives: Lives) -> None:
        """Begin without any update."""
        self._pods = pods
        self._images = images
        self._lives = lives
        self._rollouts: dict[str, Rollout] = {}
        self._revision = 0

    @property
    def active(self) -> bool:
        """Whether any is still at work."""
        return any(rollout.active for rollout in self._rollouts.values())

    @property
    def views(self) -> list[RolloutView]:
        """Those at work, and those that came to a stand."""
        return [self._view(rollout) for rollout in self._rollouts.values()]

    def due(self) -> list[float]:
        """When something is due by time alone."""
        times = (rollout.poll_at() for rollout in self._rollouts.values())
        return [at for at in times if at is not None]

    def take(self, event: Planned, replaced: Mapping[str, Sequence[Replace]]) -> None:
        """Take up a plan.

        Args:
            event: The plan.
            replaced: Its steps that replace pods, by service.
        """
        self._revision = event.revision
        self._keep_standing(event, replaced)
        for service in {**replaced, **event.surges}:
            if service in self._pods.services:
                self._begin(service, event, replaced.get(service, ()))

    def _keep_standing(self, event: Planned, replaced: Mapping[str, Sequence[Replace]]) -> None:
        services = self._pods.services
        for service, reason in event.standing.items():
            if service in services and service not in replaced:
                policy = event.policies[service]
                self._rollouts[service] = Rollout.standing(service, policy, reason)
        for service in list(self._rollouts):
            gone = service not in services
            if gone or (service not in event.standing and not self._rollouts[service].active):
                del self._rollouts[service]

    def _begin(self, service: str, event: Planned, steps: Sequence[Replace]) -> None:
        named = {step.pod.spec.name for step in steps}
        surges = event.surges.get(service, ())
        begun = [
            name
            for name, entry in self._pods.services[service].items()
            if name not in named and (name in surges or _is_on_its_way(entry))
        ]
        waiting = []
        for step in steps:
            entry = self._pods.entries[step.pod.spec.name]
            if step.at_once or not entry.view.phase.alive or entry.fate is not Fate.POLICY:
                begun.append(entry.name)
                self._lives.end(entry, Fate.BOOT)
            else:
                waiting.append(entry)
        waiting.sort(key=lambda entry: entry.view.ready)  # those that serve nobody first
        names = [entry.name for entry in waiting]
        self._rollouts[service] = Rollout(service, event.policies[service], names, begun)
        self._show(self._rollouts[service])

    def advance(self) -> None:
        """Replace the pods whose turn it is."""
        for pod, service in self._pods.changed.items():
            if service in self._rollouts:
                self._rollouts[service].notice(pod)
        self._pods.changed.clear()
        for rollout in self._rollouts.values():
            self._advance(rollout)
        for service in [k for k, r in self._rollouts.items() if r.state in _OVER]:
            del self._rollouts[service]

    def _advance(self, rollout: Rollout) -> None:
        if not rollout.active:
            return
        before = rollout.state
        batch = rollout.advance(self._pods.view_of, self._pods.now, self._can_begin)
        for name in batch:
            self._lives.end(self._pods.entries[name], Fate.BOOT)
        if batch or rollout.state is not before:
            self._show(rollout)
        if rollout.state is RolloutState.COMPLETED:
            self._pods.commands.append(FinishRollout(rollout.service))
        elif rollout.state is RolloutState.ROLLED_BACK:
            self._pods.commands.append(RollBack(rollout.service, rollout.reason))

    def _can_begin(self, name: str) -> bool:
        return self._images.is_ready(self._pods.entries[name].planned.spec.image)

    def on_image_failed(self, image: str, reason: str) -> None:
        """Have those fail that cannot get the image of their new version."""
        for rollout in self._rollouts.values():
            pods = self._pods.services.get(rollout.service, {}).values()
            if rollout.active and any(
                entry.view.outdated and entry.planned.spec.image == image for entry in pods
            ):
                rollout.fail(reason)
                self._show(rollout)

    def on_node_lost(self) -> None:
        """Drop those at work: all pods start anew, and with what is planned."""
        self._rollouts = {k: r for k, r in self._rollouts.items() if not r.active}

    def _show(self, rollout: Rollout) -> None:
        self._pods.commands.append(ShowRollout(self._view(rollout)))

    def _view(self, rollout: Rollout) -> RolloutView:
        updated, total = self._pods.counts_of(rollout.service)
        return rollout.view(updated, total, self._revision)


def _is_on_its_way(entry: Entry) -> bool:
    leaving = entry.fate in (Fate.REMOVE, Fate.STOP)
    return not (leaving or entry.view.ready or entry.view.phase.final)
