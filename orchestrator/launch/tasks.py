"""The tasks of one node's life.

Owns that they end with it, and that the error of one reaches whoever drives the deployment instead
of ending the others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orchestrator.codec import NodeRefusedError
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from orchestrator.views.progress import Screen


class NodeTasks:
    """What is under way with one node."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        screen: Screen,
        on_error: Callable[[OrchestratorError], None],
    ) -> None:
        """Begin without any.

        Args:
            group: Owns the tasks.
            screen: Shows what the node refused.
            on_error: Takes any other error.
        """
        self._group = group
        self._screen = screen
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        """Begin something."""
        task = self._group.create_task(self._reporting(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """End all."""
        for task in self._tasks:
            task.cancel()

    async def _reporting(self, work: Coroutine[None, None, None]) -> None:
        """Turn the end of a task by an error into a report."""
        try:
            await work
        except NodeRefusedError as refused:
            self._screen.show_notice(f"could not be done: {refused}")
        except OrchestratorError as error:
            self._on_error(error)
