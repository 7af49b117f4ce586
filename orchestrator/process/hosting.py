"""The orchestrator of one deployment as a process in the background, once it has its lock.

Owns its event loop, its signals and its end. It begins with what whoever started it wants first.
Without that, it says `ready` on standard output once its control socket answers, takes up what was
declared when an orchestrator was killed, and waits for a topology otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.backends.choice import open_backend
from orchestrator.desired.declaration import Wanted
from orchestrator.errors import OrchestratorError
from orchestrator.orchestration.orchestrator import Orchestrator
from orchestrator.serving.service import serve_control
from orchestrator.store.store import Store
from pod_node.images import absolute_reference
from vnet.errors import VnetError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from orchestrator.backends.backend import Backend
    from orchestrator.backends.starting import StartingNode
    from orchestrator.backends.wish import RayWish
    from orchestrator.serving.access import ListenAddress
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.views.phases import PodView
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal

IDLE_S = 30.0
"""How long to wait for a topology; whoever started us sends one at once."""
STOPPED_BY_SIGNAL_S = 2.0
"""How long all pods together get to end by themselves after a signal."""
_log = logging.getLogger("podnet")

First: TypeAlias = "Callable[[Orchestrator], Coroutine[None, None, None]]"
"""What a new orchestrator does first."""


class LogScreen:
    """Shows what a person may want to look up later."""

    def show_image(self, step: Progress) -> None:
        """Show nothing: the one who asked for it is told."""

    def show_pod(self, view: PodView) -> None:
        """Note how a pod is."""
        _log.info("%s: %s %s", view.spec.name, view.state, view.reason)

    def drop_pod(self, pod: str) -> None:
        """Note that a pod is gone."""
        _log.info("%s: removed", pod)

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        """Note that the start is over."""
        _log.info("%d pods have started, %d portals are open", len(views), len(portals))

    def show_lines(self, lines: LogLines, lost: int) -> None:
        """Show nothing: the node keeps them."""

    def show_notice(self, text: str) -> None:
        """Note something."""
        _log.info("%s", text)


def host(
    folder: DeploymentFolder,
    node: StartingNode | None,
    wish: RayWish | None,
    listen: ListenAddress | None,
    *,
    until_eof: bool = False,
    first: First | None = None,
) -> None:
    """Run the orchestrator until its deployment ends.

    Args:
        folder: The deployment's folder, which the caller holds.
        node: A node that was started for it.
        wish: A Ray cluster that its nodes are to be on.
        listen: Where else to take requests.
        until_eof: Whether to end with standard input.
        first: What to begin with.

    Raises:
        OrchestratorError: it failed; everything was taken down.
    """
    _log.setLevel(logging.INFO)
    with Store.open(folder.database) as store:
        backend = open_backend(folder, wish, lambda text: _log.info("%s", text), node)
        asyncio.run(_run(folder, store, backend, listen, until_eof=until_eof, first=first))


async def _run(
    folder: DeploymentFolder,
    store: Store,
    backend: Backend,
    listen: ListenAddress | None,
    *,
    until_eof: bool,
    first: First | None,
) -> None:
    loop = asyncio.get_running_loop()
    orchestrator = Orchestrator(
        folder, store, backend, LogScreen(), time.time, absolute_reference, foreground=False
    )

    def stop() -> None:
        orchestrator.end_soon(STOPPED_BY_SIGNAL_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with (
        asyncio.TaskGroup() as group,
        serve_control(orchestrator, folder.control_socket, listen),
    ):
        helper = group.create_task((first or _begin)(orchestrator), name="begin")
        if until_eof:
            _watch_input(lambda: loop.call_soon_threadsafe(stop))
        if first is None:
            _announce()
        failure: OrchestratorError | None = None
        try:
            await orchestrator.run()
        except OrchestratorError as error:
            failure = error  # the group would wrap it
        finally:
            helper.cancel()
    if failure is not None:
        raise failure


async def _begin(orchestrator: Orchestrator) -> None:
    """Take up what was declared, or end when nobody declares anything."""
    if orchestrator.declaration.wanted is Wanted.UP:
        try:
            await orchestrator.restore()
        except (OrchestratorError, VnetError) as error:
            _log.error("what was declared cannot be taken up: %s", error)
        return
    await asyncio.sleep(IDLE_S)
    if orchestrator.declaration.wanted is Wanted.DOWN:
        _log.info("nobody declared anything")
        orchestrator.end_soon()


def _announce() -> None:
    """Say that we are ready; whatever else is printed goes where errors go."""
    with contextlib.suppress(BrokenPipeError):  # whoever waited for it is gone
        os.write(1, b"ready\n")
    os.dup2(2, 1)


def _watch_input(on_end: Callable[[], object]) -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        on_end()

    threading.Thread(target=wait, name="input", daemon=True).start()
