"""From what is declared and what there is to the steps that lie between.

Owns the comparison. Pure: the same two values always give the same steps, so that what a dry run
shows is what is done. Pods that are as declared get no step. In which order pods start, and how
many of a service are replaced at once, is the business of `lifecycle/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from orchestrator.desired.steps import (
    ApplySetting,
    AttachNetwork,
    Boot,
    ClosePortal,
    DetachNetwork,
    OpenPortal,
    PrepareImage,
    Remove,
    Replace,
    Restart,
    Step,
    Stop,
)
from orchestrator.views.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from ipaddress import IPv4Network

    from orchestrator.desired.plan import Plan, PlannedPod, PlannedPortal
    from pod_node.spec import PodSpec
    from pod_node.status import OpenPortal as OpenedPortal

_WORDS = {
    "image": "image",
    "command": "command",
    "environment": "environment",
    "working_dir": "working directory",
    "mounts": "mounts",
    "interfaces": "addresses",
    "limits": "limits",
    "healthcheck": "health check",
}
"""Fields of a pod's description, as a person calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What a deployment is to be."""

    plan: Plan
    stopped: frozenset[str] = frozenset()
    """Pods that somebody stopped."""
    started: frozenset[str] = frozenset()
    """Pods that somebody wants to run, should they have ended."""
    restarted: frozenset[str] = frozenset()
    """Pods that somebody wants to be started again as they are."""
    recreated: frozenset[str] = frozenset()
    """Pods that somebody wants to be replaced although nothing differs."""
    retried: bool = False
    """Whether pods that failed get another try."""
    settings: tuple[str, ...] = ()
    """Settings that are declared otherwise than before."""
    standing: frozenset[str] = frozenset()
    """Services whose update came to a stand: their pods stay what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPod:
    """A pod that there is, or is about to be."""

    spec: PodSpec
    """What it runs, or will when what is under way is done."""
    phase: Phase
    succeeded: bool = False
    leaving: bool = False
    """Whether it is about to be gone for good."""
    stopping: bool = False
    """Whether it is about to be stopped, or is."""
    generation: int = 0
    """The node's number of the life that it has, or had last."""
    renewing: bool = False
    """Whether another life has begun, or will when this one has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a deployment is now."""

    networks: Mapping[str, IPv4Network] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    """Those that are ready, or being made so."""
    pods: Mapping[str, ObservedPod] = field(default_factory=dict)
    portals: Sequence[OpenedPortal] = ()


def reconcile(desired: Desired, observed: Observed) -> list[Step]:
    """Find what has to be done, in the order in which it begins."""
    moved = _moved_networks(desired.plan, observed)
    pods = [*_removals(desired, observed), *_pods(desired, observed, moved)]
    return [
        *_networks(desired.plan, observed),
        *_images(pods, observed),
        *_portals(desired.plan, observed),
        *(ApplySetting(name=name, reason="declared otherwise") for name in desired.settings),
        *pods,
    ]


def _moved_networks(plan: Plan, observed: Observed) -> frozenset[str]:
    """The networks that are taken away, those included that come back with another range."""
    wanted = {network.name: network.subnet for network in plan.networks}
    return frozenset(
        name for name, subnet in observed.networks.items() if wanted.get(name) != subnet
    )


def _networks(plan: Plan, observed: Observed) -> Iterator[Step]:
    wanted = {network.name: network for network in plan.networks}
    for name, subnet in observed.networks.items():
        if name not in wanted:
            yield DetachNetwork(name=name, reason="no longer declared")
        elif wanted[name].subnet != subnet:
            reason = f"range changes from {subnet} to {wanted[name].subnet}"
            yield DetachNetwork(name=name, reason=reason)
    for name, network in wanted.items():
        if observed.networks.get(name) != network.subnet:
            yield AttachNetwork(network=network, reason=f"range {network.subnet}")


def _images(steps: Sequence[Step], observed: Observed) -> Iterator[Step]:
    needed: dict[str, int] = {}
    for step in steps:
        if isinstance(step, (Boot, Replace, Restart)):
            image = step.pod.spec.image
            needed[image] = needed.get(image, 0) + 1
    for image, count in needed.items():
        if image not in observed.images:
            reason = f"for {count} pod{'s' * (count > 1)}"
            yield PrepareImage(image=image, reason=reason)


def _portals(plan: Plan, observed: Observed) -> Iterator[Step]:
    wanted = {(portal.service, portal.port): portal for portal in plan.portals}
    kept: set[tuple[str, int]] = set()
    for opened in observed.portals:
        planned = wanted.get((opened.service, opened.port))
        if planned is not None and _is_same(planned, opened):
            kept.add((opened.service, opened.port))
            continue
        reason = "no longer declared" if planned is None else "published port changes"
        yield ClosePortal(
            portal_id=opened.portal_id, service=opened.service, port=opened.port, reason=reason
        )
    for key, portal in wanted.items():
        if key not in kept:
            where = f"published on {portal.host_port}" if portal.host_port else "declared"
            yield OpenPortal(portal=portal, reason=where)


def _is_same(planned: PlannedPortal, opened: OpenedPortal) -> bool:
    return planned.host_port == (opened.host_port if opened.pinned else None)


def _removals(desired: Desired, observed: Observed) -> Iterator[Step]:
    wanted = {pod.spec.name for pod in desired.plan.pods}
    services = {pod.spec.service for pod in desired.plan.pods}
    for name, pod in observed.pods.items():
        if name not in wanted and not pod.leaving:
            scaled = pod.spec.service in services
            reason = "fewer replicas" if scaled else f'no service "{pod.spec.service}" any more'
            yield Remove(name=name, reason=reason)


def _pods(desired: Desired, observed: Observed, moved: frozenset[str]) -> Iterator[Step]:
    for pod in desired.plan.pods:
        step = _pod(pod, desired, observed.pods.get(pod.spec.name), moved)
        if step is not None:
            yield step


def _pod(
    pod: PlannedPod, desired: Desired, there: ObservedPod | None, moved: frozenset[str]
) -> Step | None:
    name = pod.spec.name
    if name in desired.stopped:
        if there is None or there.stopping or there.leaving or there.phase.final:
            return None
        return Stop(pod=pod, reason="stopped")
    if there is None:
        return Boot(pod=pod, reason="not there yet")
    if there.leaving:
        return Boot(pod=pod, reason="declared again")
    if there.spec != pod.spec and not _stands(pod, desired, there):
        affected = {i.network for spec in (there.spec, pod.spec) for i in spec.interfaces}
        reason = _difference(there.spec, pod.spec)
        return Replace(pod=pod, reason=reason, at_once=bool(affected & moved))
    if moved and any(interface.network in moved for interface in pod.spec.interfaces):
        return Replace(pod=pod, reason="its network changes", at_once=True)
    if name in desired.recreated:
        return Replace(pod=pod, reason="asked for")
    if there.stopping or (name in desired.started and there.phase.final):
        return Boot(pod=pod, reason="started")
    if name in desired.restarted:
        return Restart(pod=pod, reason="asked for")
    failed = there.phase.final and not there.succeeded
    if desired.retried and failed:
        return Boot(pod=pod, reason=f"it is {there.phase.value}, another try")
    return None


def _stands(pod: PlannedPod, desired: Desired, there: ObservedPod) -> bool:
    """Whether a pod stays what it is because its service's update came to a stand."""
    return pod.spec.service in desired.standing and there.phase.alive


def _difference(old: PodSpec, new: PodSpec) -> str:
    """Name what differs between two descriptions of a pod."""
    changed = [
        _WORDS.get(one.name, one.name)
        for one in fields(new)
        if getattr(old, one.name) != getattr(new, one.name)
    ]
    if len(changed) == 1:
        return f"{changed[0]} changes"
    return f"{', '.join(changed[:-1])} and {changed[-1]} change"
