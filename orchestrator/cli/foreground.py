"""`podnet up` in the foreground: this process runs the deployment and ends with it.

Owns its signals and its exit status: 0 when every pod ended well by itself, 1 when something
failed, 130 after Ctrl-C and 143 after SIGTERM (128 and the signal's number, as a shell has it).
Ending by signal takes everything down in order; a second signal does so at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from orchestrator.backends import embedded
from orchestrator.backends.choice import open_backend
from orchestrator.cli.printer import Printer
from orchestrator.errors import OrchestratorError
from orchestrator.orchestration.orchestrator import Orchestrator
from orchestrator.serving.service import serve_control
from orchestrator.store.store import Store
from pod_node.errors import PodNodeError
from pod_node.images import absolute_reference
from vnet.errors import VnetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.backends.backend import Backend
    from orchestrator.backends.starting import StartingNode
    from orchestrator.cli.booting import UpRequest
    from orchestrator.cli.screen import UpScreen
    from orchestrator.cli.up import UpOptions
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.topology.source import TopologySource
    from orchestrator.views.phases import PodView

FLUSH_S = 0.5
"""How long the end waits for a terminal that does not take what is left to print."""
STOP_S = 1.0
"""How long all pods together get to end by themselves after a signal."""


def host(request: UpRequest, node: StartingNode | None) -> int:
    """Run a deployment until it ends or is stopped; return the exit status.

    The caller holds the folder, and may have started a node for it if it is to be on this machine.

    Raises:
        OrchestratorError: it failed; everything was taken down.
    """
    folder = request.folder
    with Store.open(folder.database) as store:
        session = _Session(folder, store, request.source, request.options)
        printer = Printer(session.on_broken_output)
        screen = request.make_screen(printer)
        session.use(open_backend(folder, request.wish, screen.show_notice, node))
        try:
            status = asyncio.run(session.run(screen))
        finally:
            screen.stop()
            flushed = printer.close(FLUSH_S)
    if not flushed:
        os._exit(status)  # the printing thread is stuck and would hold the interpreter
    return status


class _Session:
    """One run of a deployment, from the first signal handler to the exit status."""

    def __init__(
        self,
        folder: DeploymentFolder,
        store: Store,
        source: TopologySource,
        options: UpOptions,
    ) -> None:
        self._folder = folder
        self._store = store
        self._backend: Backend = embedded.EmbeddedBackend(folder)
        self._source = source
        self._options = options
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orchestrator: Orchestrator | None = None
        self._stopped_by: int | None = None
        self._on_stop: Callable[[], object] = lambda: None

    def use(self, backend: Backend) -> None:
        """Have the nodes there."""
        self._backend = backend

    async def run(self, screen: UpScreen) -> int:
        """Run until it ends or is stopped; return the exit status."""
        self._loop = asyncio.get_running_loop()
        self._on_stop = lambda: screen.show_notice(f"stopping {self._folder.name}")
        orchestrator = self._orchestrator = Orchestrator(
            self._folder,
            self._store,
            self._backend,
            screen,
            time.time,
            absolute_reference,
            foreground=True,
        )
        with self._signals(self._loop):
            views = await self._live(orchestrator)
        if self._stopped_by is not None:
            return 128 + self._stopped_by
        if orchestrator.was_ended:
            screen.show_notice(f"{self._folder.name} was taken down")
            return 0
        return _verdict(views, screen)

    def on_broken_output(self) -> None:
        """Stop because nobody reads what is printed; may be called on any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop, signal.SIGPIPE)

    async def _live(self, orchestrator: Orchestrator) -> list[PodView]:
        """Declare the topology, and run for as long as it lasts."""
        loop = asyncio.get_running_loop()
        tasks = {
            loop.create_task(self._apply(orchestrator), name="apply"),
            loop.create_task(self._serve(orchestrator), name="serve"),
        }
        try:
            return await orchestrator.run()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _serve(self, orchestrator: Orchestrator) -> None:
        """Take requests, once there is something that they can be about."""
        await orchestrator.declared()
        try:
            async with serve_control(
                orchestrator, self._folder.control_socket, self._options.listen
            ):
                await asyncio.Event().wait()
        except (OrchestratorError, PodNodeError) as error:
            orchestrator.fail(error)

    async def _apply(self, orchestrator: Orchestrator) -> None:
        steps = orchestrator.requests.apply(
            self._source,
            self._options.order,
        )
        try:
            async with aclosing(steps):
                async for _ in steps:
                    pass  # the screen sees it all
        except (OrchestratorError, VnetError) as error:
            orchestrator.fail(error)

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Stop on signals, except those that whoever started us wants ignored."""
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handled = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]
        for number in handled:
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        if self._stopped_by is not None:
            self._backend.kill()
            return
        self._stopped_by = number
        self._on_stop()
        if self._orchestrator is not None:
            self._orchestrator.end_soon(STOP_S)


def _verdict(views: list[PodView], screen: UpScreen) -> int:
    failed = [view.spec.name for view in views if not view.succeeded]
    if failed:
        screen.show_notice(f"all pods have ended, not all of them well: {', '.join(failed)}")
        return 1
    screen.show_notice("all pods have ended well")
    return 0
