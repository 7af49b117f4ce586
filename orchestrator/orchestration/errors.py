"""What goes wrong with a deployment as a whole, or with a request about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.views.phases import PodView


class DeploymentFailedError(OrchestratorError):
    """Pods could not start, or a pod that others wait for will never be ready."""

    def __init__(self, name: str, failures: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(name, failures)
        self.name, self.failures = name, failures

    def __str__(self) -> str:
        pods: dict[str, list[str]] = {}
        for pod, state, reason in self.failures:
            pods.setdefault(f"{state}: {reason}" if reason else state, []).append(pod)
        lines = "".join(f"\n  {', '.join(names)}: {what}" for what, names in pods.items())
        return f'deployment "{self.name}" could not start:{lines}'


class TopologyRefusedError(OrchestratorError):
    """A topology that somebody sent has errors, or is for another deployment."""


class NoPortalError(OrchestratorError):
    """There is no portal that could be closed."""


class NothingDeclaredError(OrchestratorError):
    """Nothing was declared yet that a request could be about."""

    def __str__(self) -> str:
        return 'nothing is declared for this deployment yet; give "podnet up" a topology'


def could_not_start(name: str, failures: Sequence[PodView]) -> DeploymentFailedError:
    """The error of a deployment whose pods could not start."""
    return DeploymentFailedError(
        name, tuple((view.spec.name, view.state, view.reason) for view in failures)
    )
