"""What pods wrote, how everything stands, and the way to a pod, for those who ask from outside.

Owns the way from names to pods. A service stands for its pods: in logs for those to come, too, in a
connection for one that is ready.
"""

from __future__ import annotations

import asyncio
import platform
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.codec import NodeLostError, NodeRefusedError
from orchestrator.errors import OrchestratorError
from orchestrator.events.wording import fault_text, link_text
from orchestrator.launch.reachable import ready_pods
from orchestrator.orchestration.targets import RUNNING
from orchestrator.topology.members import UnknownMemberError
from orchestrator.topology.problems import suggestion
from orchestrator.views.deployment import FaultBegun, LinkShown, PodShown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from orchestrator.events.log import Existing
    from orchestrator.orchestration.control import Control
    from orchestrator.views.deployment import DeploymentView, LogOrder
    from orchestrator.views.phases import PodView
    from pod_node.dialling import Connection
    from pod_node.records import LogLines


_TICK_S = 1e-6
"""What times of logs differ by at least."""


class DialRefusedError(OrchestratorError):
    """Nobody takes a connection."""

    def __init__(self, name: str, port: int, reason: str) -> None:
        super().__init__(name, port, reason)
        self.name, self.port, self.reason = name, port, reason

    def __str__(self) -> str:
        return f"no connection to {self.name}, port {self.port}: {self.reason}"


async def read_logs(
    control: Control, order: LogOrder
) -> AsyncGenerator[tuple[LogLines, int], None]:
    """Read lines, the kept ones in the order of time; with each, how many were lost before it.

    A follower goes on with the next node when one is lost.

    Raises:
        UnknownMemberError: there is nobody of a name.
        OrchestratorError: the node is gone, and nobody follows.
    """
    view = await with_times(control, control.describe())
    services, pods = _chosen(view, order.targets)
    began = (pod.booted_at_s for pod in view.pods if pod.booted_at_s is not None)
    since_s = min([view.started_at_s, *began]) if order.since_s is None else order.since_s
    tail = order.tail
    node = await control.wait_for_node() if order.follow else control.client
    while True:
        try:
            chunks = node.logs(
                follow=order.follow,
                pods=pods,
                services=services,
                tail=tail,
                since_s=since_s,
                until_s=order.until_s,
            )
            async with aclosing(chunks):
                async for lines, lost in chunks:
                    since_s = max(since_s, lines.time_s + _TICK_S)
                    if lines.lines or lost:
                        yield lines, lost
            return
        except (NodeLostError, asyncio.CancelledError) as error:
            if not order.follow or (_is_cancelled() and not isinstance(error, NodeLostError)):
                raise
            tail = None
            node = await control.wait_for_node(lost=node)


async def dial(
    control: Control, name: str, port: int, timeout_s: float, turn: int
) -> tuple[PodView, Connection]:
    """Connect to a pod; of a service, to the ready one whose turn it is.

    Raises:
        UnknownMemberError: there is nobody of this name.
        DialRefusedError: nobody is ready, or the pod does not take the connection.
    """
    view = control.describe()
    services, _ = _chosen(view, (name,))
    pods = [pod for pod in view.pods if name in (pod.spec.name, pod.spec.service)]
    fit = [pod for pod in pods if pod.spec.interfaces and pod.phase in RUNNING]
    if services:
        fit = [pod for pod in ready_pods(fit).values()]
    if not fit:
        states = ", ".join(f"{pod.spec.name} is {pod.state}" for pod in pods)
        raise DialRefusedError(name, port, states or "it has no pods")
    pod = fit[turn % len(fit)]
    try:
        address = pod.spec.interfaces[0].address
        return pod, await control.client.dial(address, port, timeout_s)
    except NodeRefusedError as error:
        raise DialRefusedError(pod.spec.name, port, error.reason) from error


def _is_cancelled() -> bool:
    """Tell whether somebody cancels us; a call whose channel was closed also says that it was."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _chosen(view: DeploymentView, targets: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """Tell services from pods; a pod of a known service may be one that is gone or to come."""
    known = {pod.spec.service: None for pod in view.pods}
    services, pods = set[str](), set[str]()
    for target in targets:
        stem, _, number = target.rpartition("-")
        if target in known:
            services.add(target)
        elif stem in known and number.isascii() and number.isdigit():
            pods.add(target)
        else:
            names = [*known, *(pod.spec.name for pod in view.pods)]
            raise UnknownMemberError(target, suggestion(target, names, what="services and pods"))
    return services, pods


async def with_times(control: Control, view: DeploymentView) -> DeploymentView:
    """Say in a view when pods began and ended, and where they are: the node knows.

    While there is no node, the view stays as it is.
    """
    try:
        statuses = {pod.spec.name: pod for pod in await control.client.list_pods()}
    except NodeLostError:
        return view
    machine = platform.node()
    pods = []
    for pod in view.pods:
        status = statuses.get(pod.spec.name)
        if status is not None:
            pod = replace(
                pod,
                booted_at_s=status.booted_at_s or None,
                exited_at_s=status.exited_at_s or None,
                machine=pod.machine or machine,
            )
        pods.append(pod)
    return replace(view, pods=tuple(pods))


def standing(control: Control) -> Iterator[tuple[str, Existing]]:
    """Say in words and values which pods, links and faults there are."""
    view = control.describe()
    for pod in view.pods:
        yield f"{pod.spec.name}: {pod.state}", PodShown(pod)
    for link in control.shaping.links():
        yield link_text(link), LinkShown(link)
    for fault in view.faults:
        yield fault_text(fault), FaultBegun(fault)
