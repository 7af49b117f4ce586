"""What is to run, and how that gets on, as messages of orchestrator.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from orchestrator.codec.deployment import pod_from_message, pod_to_message
from orchestrator.codec.steps import (
    rollout_from_message,
    rollout_to_message,
    step_from_message,
    step_to_message,
)
from orchestrator.topology.source import TopologySource
from orchestrator.views.progress import (
    ImageAdvanced,
    Noticed,
    PodAdvanced,
    PodRemoved,
    Progress,
    RolloutAdvanced,
    Settled,
    Started,
    StepsPlanned,
)
from pod_node.codec import (
    portal_from_message,
    portal_to_message,
    progress_from_message,
    progress_to_message,
)
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from vnet.errors import InvalidMessageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.views.phases import PodView
    from pod_node.status import OpenPortal


def source_to_message(source: TopologySource) -> pb.TopologySource:
    """Write a topology."""
    return pb.TopologySource(
        path=source.path,
        directory=source.directory,
        text=source.text,
        variables=dict(source.variables),
        files=dict(source.files),
        name=source.name,
    )


def source_from_message(message: pb.TopologySource) -> TopologySource:
    """Read a topology.

    Raises:
        InvalidMessageError: it has no folder, or a relative one.
    """
    if not message.directory.startswith("/"):
        raise InvalidMessageError("source.directory", "is no absolute path")
    return TopologySource(
        path=message.path,
        directory=message.directory,
        text=message.text,
        variables=dict(message.variables),
        files=dict(message.files),
        name=message.name,
    )


def written_progress(progress: Progress) -> pb.Progress:
    """Write how a deployment gets on."""
    match progress:
        case StepsPlanned(steps, revision):
            planned = pb.PlannedSteps(steps=[step_to_message(s) for s in steps], revision=revision)
            return pb.Progress(planned=planned)
        case ImageAdvanced(step):
            return pb.Progress(image=progress_to_message(None, step))
        case PodAdvanced(view):
            return pb.Progress(pod=pod_to_message(view))
        case PodRemoved(pod):
            return pb.Progress(pod_removed=pod)
        case RolloutAdvanced(rollout):
            return pb.Progress(rollout=rollout_to_message(rollout))
        case Noticed(text, failure):
            return pb.Progress(notice=pb.Notice(text=text, failure=failure))
        case Started(pods, portals):
            return pb.Progress(started=_standing_to_message(pods, portals))
        case Settled(pods, portals):
            return pb.Progress(settled=_standing_to_message(pods, portals))
        case _:
            assert_never(progress)


def read_progress(message: pb.Progress) -> Progress:
    """Read how a deployment gets on.

    Raises:
        InvalidMessageError: it makes no sense.
    """
    match message.WhichOneof("event"):
        case "planned":
            steps = tuple(step_from_message(step) for step in message.planned.steps)
            return StepsPlanned(steps, message.planned.revision)
        case "image":
            return ImageAdvanced(progress_from_message(message.image))
        case "pod":
            return PodAdvanced(pod_from_message(message.pod))
        case "pod_removed":
            return PodRemoved(message.pod_removed)
        case "rollout":
            return RolloutAdvanced(rollout_from_message(message.rollout))
        case "notice":
            return Noticed(message.notice.text, message.notice.failure)
        case "started":
            return Started(*_standing_from_message(message.started))
        case "settled":
            return Settled(*_standing_from_message(message.settled))
        case _:
            raise InvalidMessageError("event", "is missing")


def _standing_to_message(pods: Sequence[PodView], portals: Sequence[OpenPortal]) -> pb.Standing:
    return pb.Standing(
        pods=[pod_to_message(pod) for pod in pods],
        portals=[portal_to_message(portal) for portal in portals],
    )


def _standing_from_message(
    message: pb.Standing,
) -> tuple[tuple[PodView, ...], tuple[OpenPortal, ...]]:
    return (
        tuple(pod_from_message(pod) for pod in message.pods),
        tuple(portal_from_message(portal) for portal in message.portals),
    )
