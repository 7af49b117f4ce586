"""Programs that are run in pods of a running deployment, and those who attach to main processes.

Owns the choice of the pod; running is the node's business.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.orchestration.targets import RUNNING
from orchestrator.topology.members import UnknownMemberError
from orchestrator.topology.problems import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from orchestrator.orchestration.control import Control
    from orchestrator.views.deployment import DeploymentView
    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.executing import ExecEvent, ExecOrder, ExecStep


class NoPodError(OrchestratorError):
    """No pod that runs is meant."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def choose_pod(view: DeploymentView, name: str, index: int) -> str:
    """Find the pod that a name means: of a service its first that runs, or the one of an index.

    Args:
        view: What runs.
        name: A service's or a pod's.
        index: Number of a service's replica, from 1; 0 takes any that runs.

    Raises:
        UnknownMemberError: there is nobody of this name.
        NoPodError: it does not run, or there is no such replica.
    """
    pods = [pod for pod in view.pods if name in (pod.spec.name, pod.spec.service)]
    if not pods:
        names = dict.fromkeys(n for pod in view.pods for n in (pod.spec.service, pod.spec.name))
        raise UnknownMemberError(name, suggestion(name, names, what="services and pods"))
    if index:
        wanted = f"{name}-{index}"
        pods = [pod for pod in pods if pod.spec.name == wanted]
        if not pods:
            raise NoPodError(f"there is no replica {index} of {quoted(name)}")
    running = [pod for pod in pods if pod.phase in RUNNING]
    if not running:
        states = ", ".join(f"{pod.spec.name} is {pod.state}" for pod in pods)
        raise NoPodError(f"no pod of {quoted(name)} runs: {states}")
    return running[0].spec.name


async def run_program(
    control: Control, order: ExecOrder, index: int, steps: AsyncIterator[ExecStep]
) -> AsyncGenerator[tuple[str, ExecEvent], None]:
    """Run a program in the pod that an order's `pod` and an index mean; events with its name.

    Raises:
        OrchestratorError: there is nobody of the name, it does not run, or the node refused.
    """
    pod = choose_pod(control.describe(), order.pod, index)
    events = control.client.exec(replace(order, pod=pod), steps)
    async with aclosing(events):
        async for event in events:
            yield pod, event


async def attach_to(
    control: Control, target: str, index: int, steps: AsyncIterator[AttachStep]
) -> AsyncGenerator[tuple[str, AttachEvent], None]:
    """Connect to the main process of the pod that a name and an index mean; events with its name.

    Raises:
        OrchestratorError: there is nobody of the name, it does not run, or the node refused.
    """
    pod = choose_pod(control.describe(), target, index)
    events = control.client.attach(pod, steps)
    async with aclosing(events):
        async for event in events:
            yield pod, event
