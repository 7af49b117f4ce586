"""Whom a person means: pods behind names, and the interfaces over which two of them talk.

Owns the choice, given what is planned and how each pod is now. Pure.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.topology.members import Roster
from orchestrator.topology.problems import quoted, suggestion
from orchestrator.views.deployment import PingEnds
from orchestrator.views.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.desired.plan import Plan, PlannedPod
    from orchestrator.topology.schema import Topology
    from orchestrator.views.phases import PodView

ALIVE = (Phase.STARTING, Phase.RUNNING, Phase.HEALTHY, Phase.UNHEALTHY)
RUNNING = (Phase.RUNNING, Phase.HEALTHY, Phase.UNHEALTHY)


class TargetError(OrchestratorError):
    """Somebody is named to whom this cannot be done, or not now."""


class Targets:
    """The pods of one deployment."""

    def __init__(self, topology: Topology, plan: Plan) -> None:
        self._roster = Roster(topology)
        self._pods = {pod.spec.name: pod for pod in plan.pods}

    def pods(
        self,
        names: Iterable[str],
        views: Mapping[str, PodView],
        phases: tuple[Phase, ...],
    ) -> tuple[str, ...]:
        """Find the pods that are in one of some phases; a service stands for those that are.

        Raises:
            UnknownMemberError: there is nobody of a name.
            TargetError: a pod is in another phase, or no pod of a service is in one of them.
        """
        found: dict[str, None] = {}
        for name in names:
            members = self._roster.pods([self._roster.find(name)])
            fit = [pod for pod in members if views[pod].phase in phases]
            if not fit:
                raise TargetError(_unfit(name, [views[pod] for pod in members]))
            found.update(dict.fromkeys(fit))
        return tuple(found)

    def one(self, name: str) -> str:
        """Find one pod, whether it runs or not; a service stands for its first.

        Raises:
            UnknownMemberError: there is nobody of this name.
            TargetError: the service has no pods.
        """
        pods = self._roster.pods([self._roster.find(name)])
        if not pods:
            raise TargetError(f"service {quoted(name)} has no pods")
        return pods[0]

    def named(self, names: Iterable[str]) -> tuple[str, ...]:
        """Find the pods of services and pods, in whatever phase they are.

        Raises:
            UnknownMemberError: there is nobody of a name.
        """
        return self._roster.pods([self._roster.find(name) for name in names])

    def ping_ends(self, source: str, target: str, views: Mapping[str, PodView]) -> PingEnds:
        """Choose the interfaces between which a ping goes: those that the source would use.

        Raises:
            UnknownMemberError: there is nobody of a name.
            TargetError: the source does not run, or has no network.
        """
        sender = self._pods[self.pods([source], views, RUNNING)[0]]
        if not sender.spec.interfaces:
            raise TargetError(f"pod {quoted(sender.spec.name)} is on no network")
        try:
            wanted = IPv4Address(target)
        except ValueError:
            return self._ends_between(sender, self._asked(target, views))
        holder = next((pod for pod in self._pods.values() if _has(pod, wanted)), None)
        networks = [] if holder is None else [i.network for i in holder.spec.interfaces]
        own = next((i for i in sender.spec.interfaces if i.network in networks), None)
        return PingEnds(
            source=sender.spec.name,
            source_address=(own or sender.spec.interfaces[0]).address,
            target="" if holder is None else holder.spec.name,
            target_address=wanted,
        )

    def interface(self, pod: str, network: str | None) -> IPv4Address:
        """Find a pod's address on a network; None is its first.

        Raises:
            UnknownMemberError: there is nobody of this name.
            TargetError: the name is a service's, or the pod is not on the network.
        """
        member = self._roster.find(pod)
        if member.replica is None:
            replicas = ", ".join(self._roster.pods([member]))
            raise TargetError(f"{quoted(pod)} is a service; name one of its pods: {replicas}")
        addresses = {i.network: i.address for i in self._pods[pod].spec.interfaces}
        if not addresses:
            raise TargetError(f"pod {quoted(pod)} is on no network")
        if network is None:
            return next(iter(addresses.values()))
        if network not in addresses:
            hint = suggestion(network, addresses, what="networks")
            raise TargetError(f"pod {quoted(pod)} is not on network {quoted(network)}; {hint}")
        return addresses[network]

    def _asked(self, name: str, views: Mapping[str, PodView]) -> PlannedPod:
        """The pod that a ping asks: of a service, the first that runs, else the first."""
        pods = self._roster.pods([self._roster.find(name)])
        if not pods:
            raise TargetError(f"service {quoted(name)} has no pods")
        running = [pod for pod in pods if views[pod].phase in RUNNING]
        return self._pods[(running or pods)[0]]

    def _ends_between(self, sender: PlannedPod, asked: PlannedPod) -> PingEnds:
        for interface in sender.spec.interfaces:
            for name in asked.names:
                if name.name == asked.spec.name and name.network == interface.network:
                    return PingEnds(
                        source=sender.spec.name,
                        source_address=interface.address,
                        target=asked.spec.name,
                        target_address=name.address,
                    )
        raise TargetError(
            f"no network leads from {quoted(sender.spec.name)} to {quoted(asked.spec.name)}; put "
            "both on one, or a router between theirs"
        )


def _has(pod: PlannedPod, address: IPv4Address) -> bool:
    return any(interface.address == address for interface in pod.spec.interfaces)


def _unfit(name: str, views: list[PodView]) -> str:
    if not views:
        return f"service {quoted(name)} has no pods"
    if len(views) == 1:
        return f"pod {quoted(views[0].spec.name)} does not run, it is {views[0].state}"
    states = ", ".join(f"{view.spec.name} is {view.state}" for view in views)
    return f"no pod of service {quoted(name)} runs: {states}"
