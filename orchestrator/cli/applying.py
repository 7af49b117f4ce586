"""What `podnet up` shows of a topology that is being made real, and what it says in the end.

Owns what is shown of the progress, when the command has seen enough, and the errors: pods that
cannot start, that are not ready in time, and updates that failed. Where the progress comes from, an
orchestrator in this process or another, is not known here.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.lifecycle.rollout import RolloutState
from orchestrator.orchestration.errors import DeploymentFailedError
from orchestrator.views.phases import Phase
from orchestrator.views.progress import (
    ImageAdvanced,
    Noticed,
    PodAdvanced,
    PodRemoved,
    RolloutAdvanced,
    Settled,
    Started,
    StepsPlanned,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from orchestrator.cli.screen import UpScreen
    from orchestrator.cli.up import UpOptions
    from orchestrator.desired.steps import StepView
    from orchestrator.lifecycle.rollout import RolloutView
    from orchestrator.views.phases import PodView
    from orchestrator.views.progress import Progress

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


class Applying:
    """A topology on its way."""

    def __init__(self, name: str, options: UpOptions, screen: UpScreen) -> None:
        """Prepare.

        Args:
            name: The deployment's.
            options: What somebody asked for.
            screen: Where it is shown.
        """
        self._name = name
        self._options = options
        self._screen = screen
        self.views: dict[str, PodView] = {}
        """The pods, as far as they were seen."""
        self._failed_rollouts: dict[str, RolloutView] = {}

    async def follow(self, progress: AsyncGenerator[Progress, None]) -> None:
        """Show what becomes of it, for as long as was asked for.

        Raises:
            OrchestratorError: it did not become what it should.
        """
        try:
            async with asyncio.timeout(self._options.wait_timeout_s), aclosing(progress):
                await self._show(progress)
        except TimeoutError as error:
            waiting = tuple(
                f"{name}: {view.state}" + (f": {view.reason}" if view.reason else "")
                for name, view in self.views.items()
                if not (view.ready or view.succeeded)
            )
            raise WaitTimeoutError(self._name, waiting) from error
        self._judge()

    async def _show(self, steps: AsyncGenerator[Progress, None]) -> None:
        async for step in steps:
            match step:
                case StepsPlanned(planned, _):
                    self._show_steps(planned)
                case ImageAdvanced(image):
                    self._screen.show_image(image)
                case PodAdvanced(view):
                    self.views[view.spec.name] = view
                    self._screen.show_pod(view)
                case PodRemoved(pod):
                    self.views.pop(pod, None)
                    self._screen.drop_pod(pod)
                case RolloutAdvanced(rollout):
                    self._show_rollout(rollout)
                case Noticed(text, _):
                    self._screen.show_notice(text)
                case Started(pods, portals):
                    if self._options.detach and not self._options.wait:
                        self.views = {view.spec.name: view for view in pods}
                        self._screen.show_started(pods, portals)
                        return
                case Settled(pods, portals):
                    self.views = {view.spec.name: view for view in pods}
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
            for view in self.views.values()
            if view.phase in hopeless or self._ended_badly(view)
        ]
        if failures:
            raise DeploymentFailedError(
                self._name,
                tuple((view.spec.name, view.state, view.reason) for view in failures),
            )

    def _ended_badly(self, view: PodView) -> bool:
        return self._options.wait and view.phase is Phase.EXITED and not view.succeeded
