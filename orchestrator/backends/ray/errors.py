"""What goes wrong with a Ray cluster, as a person is told."""

from __future__ import annotations

from orchestrator.backends.backend import BackendError
from orchestrator.errors import OrchestratorError


class RayMissingError(BackendError):
    """Ray is not installed."""

    def __str__(self) -> str:
        return "Ray is not installed; install it with: pip install 'podnet[ray]'"


class NoClusterError(BackendError):
    """No Ray cluster can be reached."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason

    def __str__(self) -> str:
        return (
            f"no Ray cluster at {self.address}: {self.reason}; start one with "
            '"RAY_AUTH_MODE=token ray start --head --include-dashboard=false" and give its '
            "address, with its token in RAY_AUTH_TOKEN"
        )


class NoMachineError(BackendError):
    """No machine of a cluster can have a node."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason

    def __str__(self) -> str:
        return f"no machine of the Ray cluster at {self.address} can run pods: {self.reason}"


class ClusterLostError(BackendError):
    """The Ray cluster does not answer any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the Ray cluster does not answer any more: {self.reason}"


class WorkerFailedError(OrchestratorError):
    """A supervisor or the keeper does not answer, or has failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"a worker on the Ray cluster failed: {self.reason}"


class UnfitMachineError(OrchestratorError):
    """A machine of the cluster cannot run pods."""

    def __init__(self, machine: str, reason: str) -> None:
        super().__init__(machine, reason)
        self.machine, self.reason = machine, reason

    def __str__(self) -> str:
        return f"machine {self.machine} cannot run pods: {self.reason}"
