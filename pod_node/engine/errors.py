"""What can go wrong between an image and a running guest."""

from __future__ import annotations

from pod_node.errors import PodNodeError


class KernelMissingError(PodNodeError):
    """The package has no compiled kernel."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return (
            f"the kernel is missing at {self.place}; build it with `make kernel`, "
            "or install a wheel"
        )


class UnsupportedModuleError(PodNodeError):
    """A module needs something that a pod does not have."""

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(image, reason)
        self.image = image
        self.reason = reason

    def __str__(self) -> str:
        return f"image {self.image}: {self.reason}"


class InvalidModuleError(PodNodeError):
    """A module is no WebAssembly that the engine can compile."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the module cannot be compiled ({self.reason}); "
            "give one built for wasm32-wasi (preview 1)"
        )


class DamagedArtifactError(PodNodeError):
    """A compiled module cannot be read back."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the compiled module {self.place} cannot be read ({self.reason}); "
            "prepare its image again"
        )


class TooManyNetworksError(PodNodeError):
    """The host has an interface on every network, and no room for one more."""

    def __init__(self, network: str, most: int) -> None:
        super().__init__(network, most)
        self.network = network
        self.most = most

    def __str__(self) -> str:
        return f"network {self.network}: a node has at most {self.most}; use fewer networks"


class CaptureRefusedError(PodNodeError):
    """Nobody can look at a place."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place} {self.reason}"


class FabricFullError(PodNodeError):
    """The node's shared memory has no room for something of the network's."""

    def __init__(self, thing: str) -> None:
        super().__init__(thing)
        self.thing = thing

    def __str__(self) -> str:
        return f"the node has no room for {self.thing}; use fewer of them, or stop some pods"


class PolicyRefusedError(PodNodeError):
    """A policy cannot be in force."""

    def __init__(self, policy: str, reason: str) -> None:
        super().__init__(policy, reason)
        self.policy = policy
        self.reason = reason

    def __str__(self) -> str:
        return f"policy {self.policy}: {self.reason}; make it smaller, or correct it"
