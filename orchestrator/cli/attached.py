"""`podnet up` with an orchestrator in the background, or in another terminal.

Owns what is shown of its progress, when the command returns, and its exit status: 0 when the pods
have started (with `--wait`, are healthy), 1 with the reasons when some cannot, 130 when Ctrl-C
makes it look away before. In the foreground it then follows the logs; Ctrl-C ends the following and
not the deployment.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.cli.applying import Applying
from orchestrator.cli.printer import Printer
from orchestrator.codec import DeploymentClient, DeploymentLostError
from orchestrator.serving.access import AccessError
from orchestrator.views.deployment import LogOrder
from orchestrator.views.progress import StepsPlanned

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.cli.screen import UpScreen
    from orchestrator.cli.up import UpOptions
    from orchestrator.desired.steps import StepView
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.topology.source import TopologySource

FLUSH_S = 0.5


class Attached:
    """One command that watches an orchestrator."""

    def __init__(
        self,
        folder: DeploymentFolder,
        source: TopologySource,
        options: UpOptions,
        make_screen: Callable[[Printer], UpScreen],
    ) -> None:
        """Prepare.

        Args:
            folder: The deployment's folder.
            source: What to declare.
            options: What somebody asked for.
            make_screen: Makes what shows it.
        """
        self._folder = folder
        self._source = source
        self._options = options
        self._printer = Printer(lambda: None)
        self._screen = make_screen(self._printer)
        self._applying = Applying(folder.name, options, self._screen)

    def run(self) -> int:
        """Send the topology and follow what becomes of it; return the exit status."""
        try:
            asyncio.run(self._run())
        except KeyboardInterrupt:
            self._screen.show_notice(goes_on(self._folder.name))
            return 0 if self._applying.views and not self._options.detach else 130
        finally:
            self._screen.stop()
            self._printer.close(FLUSH_S)
        return 0

    async def _run(self) -> None:
        if self._options.listen is not None:
            raise AccessError(
                f'deployment "{self._folder.name}" runs already; it can only be told to listen '
                "when it starts"
            )
        since_s = time.time()
        async with DeploymentClient(self._folder.control_socket) as client:
            progress = client.apply(self._source, self._options.order)
            await self._applying.follow(progress)
            if not self._options.detach:
                await self._follow(client, since_s)

    async def _follow(self, client: DeploymentClient, since_s: float) -> None:
        """Show the logs until the deployment ends."""
        order = LogOrder(follow=True, since_s=since_s)
        try:
            async with aclosing(client.logs(order)) as chunks:
                async for lines, lost in chunks:
                    self._screen.show_lines(lines, lost)
        except DeploymentLostError:
            pass
        self._screen.show_notice(f"{self._folder.name} has ended")


def goes_on(name: str) -> str:
    """Say that a deployment goes on without whoever watched it."""
    return f'{name} goes on; "podnet down {name}" ends it'


async def steps_of_running(
    folder: DeploymentFolder, source: TopologySource, options: UpOptions
) -> tuple[StepView, ...]:
    """Ask an orchestrator what it would do."""
    async with DeploymentClient(folder.control_socket) as client:
        progress = client.apply(source, options.order, dry_run=True)
        async with aclosing(progress):
            async for step in progress:
                if isinstance(step, StepsPlanned):
                    return step.steps
    return ()
