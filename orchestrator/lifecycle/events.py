"""What the state machine of `deployment.py` is told, and what it wants done: values only. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pod_node.status import (
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodStateChanged,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.desired.reconcile import Desired
    from orchestrator.desired.steps import Step
    from orchestrator.lifecycle.restart import RestartRecord
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.topology.values import UpdatePolicy
    from orchestrator.views.phases import Phase, PodView
    from pod_node.spec import PodSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """There is another plan, and these steps lead to it."""

    desired: Desired
    steps: Sequence[Step]
    revision: int = 0
    moving: frozenset[str] = frozenset()
    """Networks that have to be exchanged, once nobody is on them."""
    policies: Mapping[str, UpdatePolicy] = field(default_factory=dict)
    """How each service's pods are replaced."""
    surges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Pods that a service has only as long as its others are replaced."""
    standing: Mapping[str, str] = field(default_factory=dict)
    """Services whose replacement came to a stand, and why."""
    grace_s: float | None = None
    """How long pods that are ended may take; None leaves it to their services."""


@dataclass(frozen=True, slots=True)
class ImageProgressed:
    """An image is being fetched or compiled."""

    image: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class ImageReady:
    """An image can be booted from."""

    image: str


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """An image cannot be had."""

    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class BootFailed:
    """The node would not boot a pod, or does not know one that was to end."""

    pod: str
    reason: str


@dataclass(frozen=True, slots=True)
class NetworksSwitched:
    """Networks have been exchanged."""


@dataclass(frozen=True, slots=True)
class NodeLost:
    """The node has ended, and all pods with it; or one of several, and some pods."""

    reason: str
    pods: frozenset[str] | None = None
    """Those that are to be booted again elsewhere; None means all."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    """Time has passed; the machine checks for itself whether anything is due."""


Event: TypeAlias = (
    Planned
    | ImageProgressed
    | ImageReady
    | ImageFailed
    | BootFailed
    | NetworksSwitched
    | NodeLost
    | PodExisting
    | PodStateChanged
    | PodHealthChanged
    | PodPauseChanged
    | PodDiskFull
    | PodExited
    | TimerFired
)


@dataclass(frozen=True, slots=True)
class PrepareImage:
    """Fetch and compile an image."""

    image: str


@dataclass(frozen=True, slots=True)
class BootPod:
    """Boot a pod."""

    spec: PodSpec
    after_names: bool = False
    """Whether it waited for others, and is to find them by their names."""


@dataclass(frozen=True, slots=True)
class StopPod:
    """End a pod in order."""

    pod: str
    grace_s: float


@dataclass(frozen=True, slots=True)
class RemovePod:
    """Have the node forget a pod that has ended."""

    pod: str


@dataclass(frozen=True, slots=True)
class SwitchNetworks:
    """Exchange networks: nobody is on them."""


@dataclass(frozen=True, slots=True)
class ShowPod:
    """Something that a person would want to see has changed."""

    view: PodView


@dataclass(frozen=True, slots=True)
class DropPod:
    """A pod is gone for good."""

    pod: str


@dataclass(frozen=True, slots=True)
class ShowRollout:
    """A rollout got on."""

    view: RolloutView


@dataclass(frozen=True, slots=True)
class FinishRollout:
    """A service is up to date; what it borrowed can go."""

    service: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """A new version failed, and the topology before is wanted."""

    service: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeepRestarts:
    """Remember a pod's restarts; None forgets them."""

    pod: str
    record: RestartRecord | None


Command: TypeAlias = (
    PrepareImage
    | BootPod
    | StopPod
    | RemovePod
    | SwitchNetworks
    | ShowPod
    | DropPod
    | ShowRollout
    | FinishRollout
    | RollBack
    | KeepRestarts
)
