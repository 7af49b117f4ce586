"""What can go wrong with a pod's files on the node's side."""

from __future__ import annotations

from pod_node.errors import PodNodeError


class DiskFullError(PodNodeError):
    """Something was to be put into a pod that has no room for it."""

    def __init__(self, target: str, of_pod: bool) -> None:
        super().__init__(target, of_pod)
        self.target, self.of_pod = target, of_pod

    def __str__(self) -> str:
        if self.of_pod:
            return 'the pod has reached its disk limit; raise "storage_opt: {size: ...}"'
        return f"{self.target} is full; give that tmpfs a larger size"


class FolderError(PodNodeError):
    """A folder of a pod cannot be made, opened or removed on this machine."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class CopyError(PodNodeError):
    """Something cannot be copied into or out of a pod."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
