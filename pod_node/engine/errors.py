"""What can go wrong between an image and a running guest."""

from __future__ import annotations

from pod_node.errors import PodNodeError


class KernelMissingError(PodNodeError):
    """The package has no compiled kernel."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return f"the kernel is missing at {self.place}; build it with `make kernel`, or install a wheel"


class UnsupportedModuleError(PodNodeError):
    """A module needs something that a pod does not have."""

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(image, reason)
        self.image = image
        self.reason = reason

    def __str__(self) -> str:
        return f"image {self.image}: {self.reason}"
