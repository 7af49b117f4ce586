"""The errors that a pod node raises, one small family.

Owns the base class and the errors of the pods table. Image and engine errors live beside the code
that raises them and share this base, so that one `except PodNodeError` at the service's edge turns
all of them into a reply.
"""

from __future__ import annotations


class PodNodeError(Exception):
    """Base of every error that the pod node reports to whoever asked.

    Subclasses pass all positional arguments to `super().__init__` and format in `__str__`, so that
    an error survives pickling.
    """


class PodExistsError(PodNodeError):
    """A live pod already holds the name."""

    def __init__(self, pod: str, state: str) -> None:
        super().__init__(pod, state)
        self.pod, self.state = pod, state

    def __str__(self) -> str:
        return f"pod {self.pod} already exists and is {self.state}; kill it before booting it again"


class UnknownPodError(PodNodeError):
    """No pod of that name was ever booted on this node."""

    def __init__(self, pod: str) -> None:
        super().__init__(pod)
        self.pod = pod

    def __str__(self) -> str:
        return f"no pod named {self.pod} on this node"


class PodNotRunningError(PodNodeError):
    """A pod was to be paused or resumed that does not run."""

    def __init__(self, pod: str, state: str) -> None:
        super().__init__(pod, state)
        self.pod, self.state = pod, state

    def __str__(self) -> str:
        return f"pod {self.pod} is {self.state}; only a running pod can be paused or resumed"


class ImageNotPreparedError(PodNodeError):
    """A pod names an image that was not pulled and compiled on this node."""

    def __init__(self, pod: str, image: str) -> None:
        super().__init__(pod, image)
        self.pod, self.image = pod, image

    def __str__(self) -> str:
        return f"pod {self.pod}: image {self.image} is not prepared on this node; prepare it first"


class PreparationCancelledError(PodNodeError):
    """Whoever asked for an image went away before it was ready."""

    def __init__(self, image: str) -> None:
        super().__init__(image)
        self.image = image

    def __str__(self) -> str:
        return f"image {self.image}: preparation was cancelled"


class NetworkNotAttachedError(PodNodeError):
    """Something names a network that the node was not told of."""

    def __init__(self, network: str) -> None:
        super().__init__(network)
        self.network = network

    def __str__(self) -> str:
        return f"network {self.network} is not attached to this node; attach it first"


class NetworkInUseError(PodNodeError):
    """A network was to be taken away on which a pod is."""

    def __init__(self, network: str, pod: str) -> None:
        super().__init__(network, pod)
        self.network, self.pod = network, pod

    def __str__(self) -> str:
        return f"network {self.network} cannot be taken away: pod {self.pod} is on it; end it first"


class NodeRunningError(PodNodeError):
    """Another node process runs with the same state folder."""

    def __init__(self, folder: str, pid: str) -> None:
        super().__init__(folder, pid)
        self.folder, self.pid = folder, pid

    def __str__(self) -> str:
        return f"state folder {self.folder}: the pod node with process id {self.pid} uses it"


class NetworkConflictError(PodNodeError):
    """A network exists with another subnet."""

    def __init__(self, network: str, subnet: str, existing: str) -> None:
        super().__init__(network, subnet, existing)
        self.network, self.subnet, self.existing = network, subnet, existing

    def __str__(self) -> str:
        return (
            f"network {self.network} cannot have the subnet {self.subnet}: it exists with "
            f"{self.existing}; use another name"
        )


class BootError(PodNodeError):
    """The runtime could not turn a pod's specification into a running guest."""

    def __init__(self, pod: str, reason: str) -> None:
        super().__init__(pod, reason)
        self.pod, self.reason = pod, reason

    def __str__(self) -> str:
        return f"pod {self.pod} could not boot: {self.reason}"


class ExecError(PodNodeError):
    """A program could not be run in a pod."""

    def __init__(self, pod: str, program: str, reason: str) -> None:
        super().__init__(pod, program, reason)
        self.pod, self.program, self.reason = pod, program, reason

    def __str__(self) -> str:
        what = f" {self.program}" if self.program else ""
        return f"pod {self.pod} cannot run{what}: {self.reason}"


class InvalidSignalError(PodNodeError):
    """Pods do not have such a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"pods do not have the signal {self.number}; for example 15 (TERM) or 9 (KILL)"


class UnknownPortalError(PodNodeError):
    """No portal of that id is open on this node."""

    def __init__(self, portal_id: str) -> None:
        super().__init__(portal_id)
        self.portal_id = portal_id

    def __str__(self) -> str:
        return f"no portal {self.portal_id} is open on this node"


class StateFolderError(PodNodeError):
    """The node cannot use its state folder or socket path."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
