"""The preparation of images as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod_node.codec.times import to_ms
from pod_node.progress import Phase, Progress
from protos.node.v1 import node_pb2 as pb
from vnet.codec import fields

if TYPE_CHECKING:
    from pod_node.images import CompiledImage

_PHASES = {
    Phase.WAITING: pb.IMAGE_PHASE_WAITING,
    Phase.FETCHING: pb.IMAGE_PHASE_FETCHING,
    Phase.CHECKING: pb.IMAGE_PHASE_CHECKING,
    Phase.RECEIVING: pb.IMAGE_PHASE_RECEIVING,
    Phase.BUILDING: pb.IMAGE_PHASE_BUILDING,
    Phase.COMPILING: pb.IMAGE_PHASE_COMPILING,
    Phase.LAYERING: pb.IMAGE_PHASE_LAYERING,
    Phase.READY: pb.IMAGE_PHASE_READY,
}


def progress_to_message(image: CompiledImage | None, step: Progress) -> pb.PrepareImagesResponse:
    """Write a step of an image's preparation; the digest comes with the image, once it is there."""
    return pb.PrepareImagesResponse(
        image=step.image,
        phase=_PHASES[step.phase],
        done_bytes=step.done_bytes,
        total_bytes=step.total_bytes,
        elapsed_ms=to_ms(step.elapsed_s),
        source=step.source,
        digest_sha256="" if image is None else image.digest,
    )


def progress_from_message(message: pb.PrepareImagesResponse) -> Progress:
    """Read a step of an image's preparation."""
    return Progress(
        image=message.image,
        phase=fields.named("phase", _PHASES, message.phase),
        done_bytes=message.done_bytes,
        total_bytes=message.total_bytes,
        elapsed_s=message.elapsed_ms / 1000,
        source=message.source,
    )
