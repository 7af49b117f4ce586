"""What a node tells by itself: what happens to its pods, and the lines that they write.

Owns that all is looked at anew when events were lost, and that the end of a pod is passed on after
its last lines, which come by another stream.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, assert_never

from orchestrator.backends.nodes import Nodes, PodsDisplaced
from orchestrator.codec import NodeLostError
from orchestrator.lifecycle.events import NodeLost, TimerFired
from pod_node.status import (
    EventsLost,
    LogNotice,
    NodeEvent,
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodStateChanged,
    Synced,
)
from vnet.egress import EgressAttempt, EgressEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.launch.tasks import NodeTasks
    from orchestrator.lifecycle.events import Event
    from orchestrator.views.progress import Screen
    from vnet.egress import EgressHappening

LAST_LINES_S = 2.0
"""How long the end of a pod waits for its last lines; a slow reader may have lost their end."""


class NodeNews:
    """The news of one node."""

    def __init__(
        self,
        client: Nodes,
        tasks: NodeTasks,
        screen: Screen,
        report: Callable[[Event], None],
        on_egress: Callable[[EgressHappening], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        """Prepare to listen.

        Args:
            client: The node.
            tasks: Take what has to wait.
            screen: Shows lines and remarks.
            report: Takes what happens to pods.
            on_egress: Takes what leaves the deployment.
            on_trouble: Takes what pods have to do without.
        """
        self._client = client
        self._tasks = tasks
        self._screen = screen
        self._report = report
        self._on_egress = on_egress
        self._on_trouble = on_trouble
        self._follows_lines = False
        self._told: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """Set when all that a pod wrote in a life was shown."""
        self.synced = asyncio.Event()
        """Set once all pods that the node had are known."""

    async def follow_events(self) -> None:
        """Pass on what happens, until cancelled.

        Raises:
            NodeLostError: the node told its last.
        """
        while True:
            async with aclosing(self._client.watch()) as events:
                async for event in events:
                    if isinstance(event, NodeEvent) and isinstance(event.happening, EventsLost):
                        lost = event.happening.count
                        notice = f"{lost} of the node's events were lost; all pods are looked at"
                        self._screen.show_notice(notice)
                        break
                    self._on_event(event)
                else:
                    raise NodeLostError("its events ended")

    def _on_event(self, event: NodeEvent | PodsDisplaced) -> None:
        if isinstance(event, PodsDisplaced):
            self._screen.show_notice(event.reason)
            self._report(NodeLost(event.reason, frozenset(event.pods)))
            return
        match event.happening:
            case Synced():
                self.synced.set()
                self._report(TimerFired())
            case PodExisting() as existing:
                self._report(existing)
            case (
                PodStateChanged() | PodHealthChanged() | PodPauseChanged() | PodDiskFull() as change
            ):
                self._report(change)
            case PodExited() as exited:
                self._tasks.spawn(self._hear_out(exited), f"last lines of {exited.pod}")
            case EgressAttempt() | EgressEnded() as happening:
                self._on_egress(happening)
            case LogNotice(pod=pod, message=message):
                self._on_trouble(f"{pod}: {message}")
            case EventsLost():
                raise AssertionError("its follower watches anew")
            case _:
                assert_never(event.happening)

    async def _hear_out(self, exited: PodExited) -> None:
        """Pass on an end after the pod's last lines."""
        if self._follows_lines:
            told = self._told[exited.pod]
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_LINES_S):
                    await told.wait()
            told.clear()
        self._report(exited)

    def follow_lines(self, since_s: float) -> None:
        """Show what pods write from a time on."""
        self._follows_lines = True
        self._tasks.spawn(self._follow_lines(since_s), "logs")

    async def _follow_lines(self, since_s: float) -> None:
        async with aclosing(self._client.logs(follow=True, since_s=since_s)) as chunks:
            async for lines, lost in chunks:
                if lines.lines or lost:
                    self._screen.show_lines(lines, lost)
                if not lines.lines:
                    self._told[lines.pod].set()
