"""Which pods `podnet ps` shows, and what their rows say. Pure but for option values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.views.deployment import DeploymentView
    from orchestrator.views.phases import PodView

KEYS = ("status", "service", "name")
WORDS = ("ready", "not-ready", "paused")
"""Statuses besides the phases."""


UNFINISHED = ("updating", "paused")
"""States of updates that somebody may wait for."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked of pods: one of each key's values."""

    wanted: dict[str, tuple[str, ...]]

    def fits(self, pod: PodView) -> bool:
        """Tell whether a pod has what is asked for."""
        facts = {
            "status": _statuses(pod),
            "service": {pod.spec.service},
            "name": {pod.spec.name},
        }
        return all(facts[key].intersection(values) for key, values in self.wanted.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """A service with what is declared of it and what there is."""

    deployment: str
    service: str
    desired: int
    """Pods that are to run."""
    pods: int
    """Pods that have a guest."""
    ready: int
    restarts: int
    revision: int
    """The deployment's."""
    portals: tuple[str, ...]


def read_filters(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> Filters:
    """Read options such as `status=running`; a click callback."""
    from orchestrator.views.phases import Phase

    wanted: dict[str, tuple[str, ...]] = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found or key not in KEYS or not value:
            keys = " or ".join(f"{key}=..." for key in KEYS)
            raise click.BadParameter(f'"{text}" is no filter; write {keys}', context, parameter)
        statuses = [*(phase.value for phase in Phase), *WORDS]
        if key == "status" and value not in statuses:
            from orchestrator.topology.problems import quoted, suggestion

            hint = suggestion(value, statuses, what="statuses")
            message = f"there is no status {quoted(value)}; {hint}"
            raise click.BadParameter(message, context, parameter)
        wanted[key] = (*wanted.get(key, ()), value)
    return Filters(wanted)


def chosen_pods(view: DeploymentView, filters: Filters, *, every: bool) -> list[PodView]:
    """Choose the pods that fit; those that ended well or on demand only when asked for."""
    every = every or "status" in filters.wanted
    return [pod for pod in view.pods if filters.fits(pod) and (every or not _is_over(pod))]


def service_rows(deployment: str, view: DeploymentView) -> list[ServiceRow]:
    """Count each service's pods."""
    rows = []
    for service in view.services:
        pods = [pod for pod in view.pods if pod.spec.service == service.name]
        rows.append(
            ServiceRow(
                deployment=deployment,
                service=service.name,
                desired=service.desired_pods,
                pods=sum(pod.phase.alive for pod in pods),
                ready=sum(pod.ready for pod in pods),
                restarts=sum(pod.restarts for pod in pods),
                revision=view.revision,
                portals=tuple(p.url for p in view.portals if p.service == service.name),
            )
        )
    return rows


def remarks(deployment: str, view: DeploymentView) -> Iterator[str]:
    """Say what is out of the ordinary: updates that are not over, and a node that was lost."""
    for rollout in view.rollouts:
        if rollout.state.value in UNFINISHED:
            leads = f" (to revision {rollout.revision})" if rollout.revision else ""
            yield f"{deployment}: {rollout}{leads}"
    if view.node_loss:
        yield f"{deployment}: {view.node_loss}; its pods were started again"


def uptime_s(pod: PodView, now_s: float) -> float | None:
    """Say for how long a pod has run, or did run; None when it never did."""
    if pod.booted_at_s is None:
        return None
    end_s = now_s if pod.exited_at_s is None else pod.exited_at_s
    return max(0.0, end_s - pod.booted_at_s)


def age_text(pod: PodView, now_s: float) -> str:
    """Say since when a pod has been up, or how long ago it ended."""
    from orchestrator.events.wording import rounded_duration

    if pod.booted_at_s is None:
        return "-"
    if pod.exited_at_s is not None:
        return f"{rounded_duration(max(0.0, now_s - pod.exited_at_s))} ago"
    return f"up {rounded_duration(max(0.0, now_s - pod.booted_at_s))}"


def _statuses(pod: PodView) -> set[str]:
    words = {pod.phase.value, "ready" if pod.ready else "not-ready"}
    return words | {"paused"} if pod.paused else words


def _is_over(pod: PodView) -> bool:
    return pod.succeeded or pod.phase.value == "stopped"
