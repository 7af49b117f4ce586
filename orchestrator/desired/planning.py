"""From what is declared and observed to a plan, the steps that lead to it, and what is to be kept.

Owns how the pieces fit: replicas as they were scaled, addresses as they were given, pods that an
update borrows. Pure; a dry run and a real one take the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.desired.declaration import Renewal, effective, needed_surges, surge_pods
from orchestrator.desired.plan import PlannedPortal, make_plan
from orchestrator.desired.reconcile import Desired, Observed, reconcile
from orchestrator.desired.steps import Boot, Replace, Restart
from orchestrator.topology.members import Roster, UnknownMemberError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from ipaddress import IPv4Address
    from pathlib import Path

    from orchestrator.desired.declaration import Declaration, PortalMemory
    from orchestrator.desired.plan import Plan
    from orchestrator.desired.reconcile import ObservedPod
    from orchestrator.desired.steps import Step
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.values import UpdatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be done once, beside what is declared."""

    started: frozenset[str] = frozenset()
    restarted: frozenset[str] = frozenset()
    recreated: frozenset[str] = frozenset()
    retried: bool = False
    settings: tuple[str, ...] = ()
    """Those that change, which nothing but the topology before can tell."""


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan and all that belongs to it."""

    declaration: Declaration
    """To be kept before anything is done."""
    topology: Topology
    """With as many replicas as there are to be now."""
    plan: Plan
    desired: Desired
    steps: tuple[Step, ...]
    policies: Mapping[str, UpdatePolicy]
    surges: Mapping[str, tuple[str, ...]]


def prepare(
    declaration: Declaration,
    topology: Topology,
    observed: Observed,
    state_dir: Path,
    wishes: Wishes = NO_WISHES,
) -> Prepared:
    """Work out everything that follows from a declaration.

    Args:
        declaration: What is declared.
        topology: What its file says.
        observed: What there is now.
        state_dir: The deployment's folder.
        wishes: What is to be done once.

    Raises:
        VnetError: a network has no room for all pods.
    """
    prepared = _prepare(declaration, topology, observed, state_dir, wishes)
    replacements = [step for step in prepared.steps if isinstance(step, Replace)]
    needed = needed_surges(topology, declaration, replacements)
    surges = {
        service: max(declaration.surges.get(service, 0), count)
        for service, count in {**declaration.surges, **needed}.items()
        if service in topology.services
    }
    if surges == declaration.surges:
        return prepared
    borrowing = replace(declaration, surges=surges)
    return _prepare(borrowing, topology, observed, state_dir, wishes)


def stopped_pods(topology: Topology, stopped: Iterable[str]) -> frozenset[str]:
    """The pods behind the services and pods that were stopped; those that are gone do not count."""
    roster = Roster(topology)
    pods: set[str] = set()
    for name in stopped:
        try:
            pods.update(roster.pods([roster.find(name)]))
        except UnknownMemberError:
            continue
    return frozenset(pods)


def newly_started(before: Declaration, after: Declaration, topology: Topology) -> frozenset[str]:
    """The pods that were stopped before and are not any more.

    An orchestrator that takes over cannot tell by what it finds: they have ended like any other.
    """
    full = effective(topology, after)
    return stopped_pods(full, before.stopped) - stopped_pods(full, after.stopped)


def _prepare(
    declaration: Declaration,
    topology: Topology,
    observed: Observed,
    state_dir: Path,
    wishes: Wishes,
) -> Prepared:
    full = effective(topology, declaration)
    held = _held_addresses(observed)
    plan = make_plan(
        full,
        state_dir=state_dir,
        leases={**declaration.leases, **held},
        subnets=declaration.subnets,
    )
    plan = replace(plan, portals=_portals(full, plan, declaration.portals))
    begun = _begun_renewals(declaration, observed)
    desired = Desired(
        plan=plan,
        stopped=stopped_pods(full, declaration.stopped),
        started=wishes.started,
        restarted=wishes.restarted | _left_over(begun, observed, replaced=False),
        recreated=wishes.recreated | _left_over(begun, observed, replaced=True),
        retried=wishes.retried,
        settings=wishes.settings,
        standing=frozenset(declaration.standing),
    )
    steps = tuple(reconcile(desired, observed))
    planned = {pod.spec.name for pod in plan.pods}
    leaving = {key: address for key, address in held.items() if key[1] not in planned}
    kept = replace(
        declaration,
        leases={**plan.addresses, **leaving},
        subnets={network.name: network.subnet for network in plan.networks},
        renewals={
            name: renewal
            for name, renewal in {**begun, **_renewals(steps, desired, observed)}.items()
            if name in planned - desired.stopped
        },
    )
    return Prepared(
        declaration=kept,
        topology=full,
        plan=plan,
        desired=desired,
        steps=steps,
        policies=plan.rollbacks if declaration.rolled_back else plan.updates,
        surges=surge_pods(topology, declaration),
    )


def _begun_renewals(declaration: Declaration, observed: Observed) -> dict[str, Renewal]:
    """The renewals that are not done: their pods have no other life yet."""
    return {
        name: renewal
        for name, renewal in declaration.renewals.items()
        if has_same_life(observed.pods.get(name), renewal)
    }


def has_same_life(there: ObservedPod | None, renewal: Renewal) -> bool:
    """Tell whether a pod has the life, or had it last, that a renewal is to end."""
    return there is not None and there.generation == renewal.generation


def _left_over(
    begun: Mapping[str, Renewal], observed: Observed, *, replaced: bool
) -> frozenset[str]:
    """The pods whose renewal an orchestrator left that was killed; nobody else will see to it."""
    return frozenset(
        name
        for name, renewal in begun.items()
        if renewal.replaced is replaced and not observed.pods[name].renewing
    )


def _renewals(steps: Iterable[Step], desired: Desired, observed: Observed) -> dict[str, Renewal]:
    """The renewals that begin with some steps, where what is declared does not tell of them."""
    renewals: dict[str, Renewal] = {}
    for step in steps:
        if not isinstance(step, (Boot, Restart, Replace)):
            continue
        name, replaced = step.pod.spec.name, isinstance(step, Replace)
        there = observed.pods.get(name)
        if there is not None and (not replaced or name in desired.recreated):
            renewals[name] = Renewal(there.generation, replaced)
    return renewals


def _portals(topology: Topology, plan: Plan, memory: PortalMemory) -> tuple[PlannedPortal, ...]:
    """The topology's portals as somebody changed them: without some, and with others."""
    declared = {(portal.service, portal.port): portal for portal in plan.portals}
    roster = Roster(topology)
    for (service, port), host_port in memory.opened.items():
        if service in topology.services:
            declared[service, port] = PlannedPortal(
                service=service,
                port=port,
                host_port=host_port or None,
                pods=roster.pods([roster.find(service)]),
            )
    return tuple(portal for key, portal in declared.items() if key not in memory.closed)


def _held_addresses(observed: Observed) -> dict[tuple[str, str], IPv4Address]:
    return {
        (interface.network, name): interface.address
        for name, pod in observed.pods.items()
        for interface in pod.spec.interfaces
    }


def recreated_pods(plan: Plan, services: Collection[str]) -> frozenset[str]:
    """The pods of some services; none stand for all."""
    return frozenset(
        pod.spec.name for pod in plan.pods if not services or pod.spec.service in services
    )
