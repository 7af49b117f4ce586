"""How a deployment fails as a whole.

Owns the error alone, so that a command that watches an orchestrator does not load one.
"""

from __future__ import annotations

from orchestrator.errors import OrchestratorError


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
