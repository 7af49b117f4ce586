"""What pods wrote and how everything stands, for those who ask a running deployment.

Owns the way from names to the node's logs. A service stands for its pods, those to come included.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.topology.members import UnknownMemberError
from orchestrator.topology.problems import suggestion
from orchestrator.views import FaultBegun, LinkShown, PodShown
from orchestrator.wording import fault_text, link_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from orchestrator.control import Control
    from orchestrator.events import Existing
    from orchestrator.views import DeploymentView, LogOrder
    from pod_node.records import LogLines


async def read_logs(
    control: Control, order: LogOrder
) -> AsyncGenerator[tuple[LogLines, int], None]:
    """Read lines, the kept ones in the order of time; with each, how many were lost before it.

    Raises:
        UnknownMemberError: there is nobody of a name.
        OrchestratorError: the node is gone.
    """
    view = control.describe()
    services, pods = _chosen(view, order.targets)
    chunks = control.client.logs(
        follow=order.follow,
        pods=pods,
        services=services,
        tail=order.tail,
        since_s=view.started_at_s if order.since_s is None else order.since_s,
        until_s=order.until_s,
    )
    async with aclosing(chunks):
        async for lines, lost in chunks:
            if lines.lines or lost:
                yield lines, lost


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


def standing(control: Control) -> Iterator[tuple[str, Existing]]:
    """Say in words and values which pods, links and faults there are."""
    view = control.describe()
    for pod in view.pods:
        yield f"{pod.spec.name}: {pod.state}", PodShown(pod)
    for link in control.shaping.links():
        yield link_text(link), LinkShown(link)
    for fault in view.faults:
        yield fault_text(fault), FaultBegun(fault)
