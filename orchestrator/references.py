"""Image references of a topology, made independent of where its file stands.

Owns the step between a topology as written and its plan: `image: ./own.wasm` becomes an absolute
path, because the node that boots it knows nothing of the file's folder. Whether the bytes behind a
reference are fit to boot is the image store's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from pod_node.images import ImageError, absolute_reference

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.topology import Topology


class ImageReferenceError(OrchestratorError):
    """A service names an image that does not exist."""

    def __init__(self, file: str, service: str, reason: str) -> None:
        super().__init__(file, service, reason)
        self.file, self.service, self.reason = file, service, reason

    def __str__(self) -> str:
        return f"{self.file}: services.{self.service}.image: {self.reason}"


def with_absolute_images(topology: Topology, file: str, folder: Path) -> Topology:
    """Make every image reference absolute.

    Args:
        topology: As it was read.
        file: What to call its file in errors.
        folder: Where its relative paths start.

    Raises:
        ImageReferenceError: a name is unknown.
    """
    services = {}
    for name, service in topology.services.items():
        try:
            image = absolute_reference(service.image, folder)
        except ImageError as error:
            raise ImageReferenceError(file, name, str(error)) from error
        services[name] = service.model_copy(update={"image": image})
    return topology.model_copy(update={"services": services})
