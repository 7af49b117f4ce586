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

from orchestrator.access import AccessError
from orchestrator.cli.printer import Printer
from orchestrator.codec import DeploymentClient, DeploymentLostError
from orchestrator.errors import OrchestratorError
from orchestrator.lifecycle.rollout import RolloutState
from orchestrator.orchestration.errors import DeploymentFailedError
from orchestrator.phases import Phase
from orchestrator.progress import (
    ImageAdvanced,
    Noticed,
    PodAdvanced,
    PodRemoved,
    RolloutAdvanced,
    Settled,
    Started,
    StepsPlanned,
)
from orchestrator.spawning import wait_for_control
from orchestrator.views import LogOrder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from orchestrator.cli.screen import UpScreen
    from orchestrator.cli.up import UpOptions
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.phases import PodView
    from orchestrator.progress import Progress
    from orchestrator.spawning import ForkedProcess
    from orchestrator.state import DeploymentFolder
    from orchestrator.steps import StepView
    from orchestrator.topology.source import TopologySource

FLUSH_S = 0.5
SHOWN_STEPS = 40
"""More steps than this are only counted: nobody reads a thousand lines."""
_FAILED = (Phase.FAILED, Phase.BLOCKED)
_UNHEALTHY = (*_FAILED, Phase.UNHEALTHY, Phase.CRASH_LOOP, Phase.RESTARTING)


class WaitTimeoutError(OrchestratorError):
    """Pods were not ready in time."""

    def __init__(self, name: str, pods: tuple[str, ...]) -> None:
        super().__init__(name, pods)
        self.name, self.pods = name, pods

    def __str__(self) -> str:
        which = "".join(f"\n  {pod}" for pod in self.pods)
        return f'deployment "{self.name}" is not ready in time; it goes on. Not ready:{which}'


class UpdateFailedError(OrchestratorError):
    """An update came to a stand, or was taken back."""

    def __init__(self, rollouts: tuple[str, ...]) -> None:
        super().__init__(rollouts)
        self.rollouts = rollouts

    def __str__(self) -> str:
        return "the update failed: " + "; ".join(self.rollouts)


class Attached:
    """One command that watches an orchestrator."""

    def __init__(
        self,
        folder: DeploymentFolder,
        source: TopologySource,
        options: UpOptions,
        make_screen: Callable[[Printer], UpScreen],
        background: ForkedProcess | None = None,
    ) -> None:
        """Prepare.

        Args:
            folder: The deployment's folder.
            source: What to declare.
            options: What somebody asked for.
            make_screen: Makes what shows it.
            background: The orchestrator that was started for it; None when one runs already.
        """
        self._folder = folder
        self._source = source
        self._options = options
        self._background = background
        self._printer = Printer(lambda: None)
        self._screen = make_screen(self._printer)
        self._views: dict[str, PodView] = {}
        self._failed_rollouts: dict[str, RolloutView] = {}

    def run(self) -> int:
        """Send the topology and follow what becomes of it; return the exit status."""
        try:
            asyncio.run(self._run())
        except KeyboardInterrupt:
            name = self._folder.name
            self._screen.show_notice(f'{name} goes on; "podnet down {name}" ends it')
            return 0 if self._views and not self._options.detach else 130
        finally:
            self._screen.stop()
            self._printer.close(FLUSH_S)
        return 0

    async def _run(self) -> None:
        if self._background is not None:
            background = self._background
            await wait_for_control(self._folder, background, background.log_start)
        elif self._options.listen is not None:
            raise AccessError(
                f'deployment "{self._folder.name}" runs already; it can only be told to listen '
                "when it starts"
            )
        since_s = time.time()
        async with DeploymentClient(self._folder.control_socket) as client:
            await self._apply(client)
            if not self._options.detach:
                await self._follow(client, since_s)

    async def _apply(self, client: DeploymentClient) -> None:
        progress = client.apply(
            self._source,
            force_recreate=self._options.force_recreate,
            services=self._options.services,
        )
        try:
            async with asyncio.timeout(self._options.wait_timeout_s), aclosing(progress):
                await self._show(progress)
        except TimeoutError as error:
            waiting = tuple(
                f"{name}: {view.state}" + (f": {view.reason}" if view.reason else "")
                for name, view in self._views.items()
                if not (view.ready or view.succeeded)
            )
            raise WaitTimeoutError(self._folder.name, waiting) from error
        self._judge()

    async def _show(self, steps: AsyncGenerator[Progress, None]) -> None:
        async for step in steps:
            match step:
                case StepsPlanned(planned, _):
                    self._show_steps(planned)
                case ImageAdvanced(image):
                    self._screen.show_image(image)
                case PodAdvanced(view):
                    self._views[view.spec.name] = view
                    self._screen.show_pod(view)
                case PodRemoved(pod):
                    self._views.pop(pod, None)
                    self._screen.drop_pod(pod)
                case RolloutAdvanced(rollout):
                    self._show_rollout(rollout)
                case Noticed(text, _):
                    self._screen.show_notice(text)
                case Started(pods, portals):
                    if self._options.detach and not self._options.wait:
                        self._views = {view.spec.name: view for view in pods}
                        self._screen.show_started(pods, portals)
                        return
                case Settled(pods, portals):
                    self._views = {view.spec.name: view for view in pods}
                    self._screen.show_started(pods, portals)
        # The stream ends with the last of it.

    def _show_steps(self, steps: Sequence[StepView]) -> None:
        if len(steps) > SHOWN_STEPS:
            self._screen.show_notice(f"{len(steps)} steps")
        else:
            self._screen.show_steps(steps)

    def _show_rollout(self, rollout: RolloutView) -> None:
        self._screen.show_notice(str(rollout))
        if rollout.state in (RolloutState.PAUSED, RolloutState.ROLLED_BACK):
            self._failed_rollouts[rollout.service] = rollout

    def _judge(self) -> None:
        """Say what did not come to be.

        Raises:
            OrchestratorError: something did not.
        """
        if self._failed_rollouts:
            raise UpdateFailedError(tuple(map(str, self._failed_rollouts.values())))
        hopeless = _UNHEALTHY if self._options.wait else _FAILED
        failures = [
            view
            for view in self._views.values()
            if view.phase in hopeless or self._ended_badly(view)
        ]
        if failures:
            raise DeploymentFailedError(
                self._folder.name,
                tuple((view.spec.name, view.state, view.reason) for view in failures),
            )

    def _ended_badly(self, view: PodView) -> bool:
        return self._options.wait and view.phase is Phase.EXITED and not view.succeeded

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


async def steps_of_running(
    folder: DeploymentFolder, source: TopologySource, options: UpOptions
) -> tuple[StepView, ...]:
    """Ask an orchestrator what it would do."""
    async with DeploymentClient(folder.control_socket) as client:
        progress = client.apply(
            source,
            dry_run=True,
            force_recreate=options.force_recreate,
            services=options.services,
        )
        async with aclosing(progress):
            async for step in progress:
                if isinstance(step, StepsPlanned):
                    return step.steps
    return ()
