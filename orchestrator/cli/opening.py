"""The first topology of an orchestrator in the background, while `podnet up -d` watches.

Owns what is shown meanwhile, and that the watching command is told how it went. How an orchestrator
runs in the background is `hosting.py`'s business.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from orchestrator.cli.applying import Applying
from orchestrator.cli.printer import Printer
from orchestrator.desired.declaration import Wanted
from orchestrator.errors import OrchestratorError
from orchestrator.process import hosting
from vnet.errors import VnetError

if TYPE_CHECKING:
    from orchestrator.backends.starting import StartingNode
    from orchestrator.cli.background import Watcher
    from orchestrator.cli.booting import UpRequest
    from orchestrator.orchestration.orchestrator import Orchestrator

FLUSH_S = 0.5
"""How long the end waits for a terminal that does not take what is left to print."""


def host(watcher: Watcher, request: UpRequest, node: StartingNode | None) -> int:
    """Run an orchestrator that makes a topology real, and goes on until its deployment ends.

    The caller holds the folder.

    Returns:
        The exit status.

    Raises:
        OrchestratorError: it failed; everything was taken down.
    """
    folder, options = request.folder, request.options
    logging.basicConfig(
        filename=folder.log, level=logging.WARNING, format="%(asctime)s %(message)s"
    )
    os.environ["PODNET_STATE"] = str(folder.path.parent)
    os.chdir("/")
    opening = Opening(watcher, request)
    hosting.host(folder, node, request.wish, options.listen, first=opening.run)
    return 0


async def _go_on(orchestrator: Orchestrator) -> None:
    """Have what ran before, when what somebody wants in its place cannot be."""
    try:
        await orchestrator.restore()
    except (OrchestratorError, VnetError) as error:
        logging.getLogger("podnet").error("what was declared cannot be taken up: %s", error)


class Opening:
    """A topology that a new orchestrator makes real first, while the command watches."""

    def __init__(self, watcher: Watcher, request: UpRequest) -> None:
        self._watcher = watcher
        self._request = request

    async def run(self, orchestrator: Orchestrator) -> None:
        """Declare it, and show what becomes of it; an orchestrator that has nothing to do ends."""
        self._watcher.notice_end(asyncio.get_running_loop())
        try:
            await self._follow(orchestrator)
        except (OrchestratorError, VnetError) as error:
            await _go_on(orchestrator)
            self._watcher.done(1, str(error))
        else:
            self._watcher.done(0)
        if orchestrator.declaration.wanted is Wanted.DOWN:
            orchestrator.end_soon(0.0)

    async def _follow(self, orchestrator: Orchestrator) -> None:
        options = self._request.options
        printer = Printer(lambda: None)
        screen = self._request.make_screen(printer)
        progress = orchestrator.requests.apply(
            self._request.source,
            options.order,
        )
        try:
            await Applying(self._request.folder.name, options, screen).follow(progress)
        finally:
            screen.stop()
            printer.close(FLUSH_S)
