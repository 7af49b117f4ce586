"""What can go wrong with a call to another process of a deployment."""

from __future__ import annotations

from orchestrator.errors import OrchestratorError


class NodeRefusedError(OrchestratorError):
    """The pod node did not do what it was asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class NodeLostError(OrchestratorError):
    """The pod node does not answer any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the pod node does not answer: {self.reason}"


class DeploymentRefusedError(OrchestratorError):
    """The process that runs a deployment did not do what it was asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class DeploymentLostError(OrchestratorError):
    """The process that runs a deployment does not answer any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the deployment does not answer, it may have ended: {self.reason}"
