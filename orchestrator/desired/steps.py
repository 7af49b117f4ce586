"""The steps by which a deployment becomes what is declared, as values.

Owns the vocabulary between `reconcile.py`, which finds the steps, `lifecycle/` and `launch/`,
which take them, and whoever shows them to a person. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from orchestrator.desired.plan import PlannedNetwork, PlannedPod, PlannedPortal


class StepAction(Enum):
    """What a step does, in the words that a person sees."""

    ATTACH_NETWORK = "attach network"
    DETACH_NETWORK = "detach network"
    PREPARE_IMAGE = "prepare image"
    OPEN_PORTAL = "open portal"
    CLOSE_PORTAL = "close portal"
    BOOT = "boot"
    REPLACE = "replace"
    REMOVE = "remove"
    RESTART = "restart"
    STOP = "stop"
    APPLY = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step as a person sees it."""

    action: StepAction
    target: str
    """A pod, a network, an image, a setting, or a service and its port."""
    reason: str

    def __str__(self) -> str:
        return f"{self.action.value} {self.target}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachNetwork:
    """Declare a network."""

    network: PlannedNetwork
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachNetwork:
    """Take a network away, once no pod is on it."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareImage:
    """Bring and compile an image."""

    image: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPortal:
    """Open a portal."""

    portal: PlannedPortal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePortal:
    """Close a portal."""

    portal_id: str
    service: str
    port: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Boot a pod."""

    pod: PlannedPod
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """End a pod and boot another one under its name."""

    pod: PlannedPod
    reason: str
    at_once: bool = False
    """Not in turn with the others of its service: what it is on is taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """End a pod for good."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """End a pod and boot it again as it is."""

    pod: PlannedPod
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End a pod until somebody starts it."""

    pod: PlannedPod
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySetting:
    """Have a setting as it is declared now, without touching pods."""

    name: str
    """As `settings.py` calls it."""
    reason: str


Step: TypeAlias = (
    AttachNetwork
    | DetachNetwork
    | PrepareImage
    | OpenPortal
    | ClosePortal
    | Boot
    | Replace
    | Remove
    | Restart
    | Stop
    | ApplySetting
)


def step_view(step: Step) -> StepView:
    """Say what a step does, and to whom."""
    match step:
        case AttachNetwork(network=network):
            action, target = StepAction.ATTACH_NETWORK, network.name
        case DetachNetwork(name=name):
            action, target = StepAction.DETACH_NETWORK, name
        case PrepareImage(image=image):
            action, target = StepAction.PREPARE_IMAGE, image
        case OpenPortal(portal=portal):
            action, target = StepAction.OPEN_PORTAL, f"{portal.service}:{portal.port}"
        case ClosePortal(service=service, port=port):
            action, target = StepAction.CLOSE_PORTAL, f"{service}:{port}"
        case Boot(pod=pod):
            action, target = StepAction.BOOT, pod.spec.name
        case Replace(pod=pod):
            action, target = StepAction.REPLACE, pod.spec.name
        case Remove(name=name):
            action, target = StepAction.REMOVE, name
        case Restart(pod=pod):
            action, target = StepAction.RESTART, pod.spec.name
        case Stop(pod=pod):
            action, target = StepAction.STOP, pod.spec.name
        case ApplySetting(name=name):
            action, target = StepAction.APPLY, name
    return StepView(action=action, target=target, reason=step.reason)
