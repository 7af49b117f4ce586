"""How a deployment gets on with what somebody asked for, as those see it who wait for it.

Owns the values, and what a screen is: whoever shows them to a person. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.desired.steps import StepView
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.views.phases import PodView
    from pod_node.progress import Progress as ImageProgress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal


@dataclass(frozen=True, slots=True)
class StepsPlanned:
    """What will be done; empty when there is nothing to do."""

    steps: tuple[StepView, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class ImageAdvanced:
    """An image's preparation got on."""

    step: ImageProgress


@dataclass(frozen=True, slots=True)
class PodAdvanced:
    """A pod changed."""

    view: PodView


@dataclass(frozen=True, slots=True)
class PodRemoved:
    """A pod is gone for good."""

    pod: str


@dataclass(frozen=True, slots=True)
class RolloutAdvanced:
    """A service's pods are being replaced."""

    view: RolloutView


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that a person should know."""

    text: str
    failure: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """Every pod that is to run has been started."""

    pods: tuple[PodView, ...]
    portals: tuple[OpenPortal, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """Every pod has come as far as it can by itself."""

    pods: tuple[PodView, ...]
    portals: tuple[OpenPortal, ...]


Progress: TypeAlias = (
    StepsPlanned
    | ImageAdvanced
    | PodAdvanced
    | PodRemoved
    | RolloutAdvanced
    | Noticed
    | Started
    | Settled
)


class Screen(Protocol):
    """Where a person watches."""

    def show_image(self, step: ImageProgress) -> None:
        """An image's preparation got on."""

    def show_pod(self, view: PodView) -> None:
        """A pod changed."""

    def drop_pod(self, pod: str) -> None:
        """A pod is gone for good."""

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        """The start is over."""

    def show_lines(self, lines: LogLines, lost: int) -> None:
        """A pod wrote lines; `lost` chunks before them were dropped."""

    def show_notice(self, text: str) -> None:
        """Something else that a person should know."""
