"""Which counters, links and policies concern a service or a pod.

Owns the choice by name. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.topology.problems import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.views.deployment import DeploymentView, LinkView
    from orchestrator.views.phases import PodView
    from vnet.configuration import Policy
    from vnet.statistics import NetworkStatistics


class UnknownNameError(OrchestratorError):
    """Nothing in a deployment has this name."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(name, hint)
        self.name, self.hint = name, hint

    def __str__(self) -> str:
        return f"nothing here is called {quoted(self.name)}; {self.hint}"


class Selection:
    """What concerns the pods of one name; None is everybody."""

    def __init__(self, view: DeploymentView, links: Sequence[LinkView], name: str | None) -> None:
        """Choose.

        Raises:
            UnknownNameError: no service or pod has the name.
        """
        self._view = view
        self._everybody = name is None
        self.pods = tuple(pod for pod in view.pods if name in (None, *_names(pod)))
        if not self.pods and name is not None:
            known = dict.fromkeys(known for pod in view.pods for known in _names(pod))
            known |= dict.fromkeys(link.name for link in links)
            raise UnknownNameError(name, suggestion(name, known, what="services or pods"))
        names = {known for pod in self.pods for known in _names(pod)}
        self.links = tuple(link for link in links if names & {link.first, link.second})
        addresses = {i.address for pod in self.pods for i in pod.spec.interfaces}
        self.addresses = frozenset(addresses)
        self.groups = frozenset(
            group.name
            for group in view.configuration.groups
            if addresses.intersection(group.interfaces)
        )

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies that protect one of them."""
        return tuple(
            policy
            for policy in self._view.configuration.policies
            if self.groups.intersection(policy.groups)
        )

    def of(self, statistics: NetworkStatistics) -> NetworkStatistics:
        """Leave out what concerns others."""
        if self._everybody:
            return statistics
        pods = {pod.spec.name for pod in self.pods}
        links = {link.name for link in self.links} | self.groups
        policies = {policy.name for policy in self.policies}
        return replace(
            statistics,
            links=tuple(link for link in statistics.links if link.link in links),
            interfaces=tuple(i for i in statistics.interfaces if i.address in self.addresses),
            policies=tuple(p for p in statistics.policies if p.policy in policies),
            flows=tuple(flow for flow in statistics.flows if flow.pod in pods),
        )


def _names(pod: PodView) -> tuple[str, str]:
    return pod.spec.service, pod.spec.name
