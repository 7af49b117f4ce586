"""Programs in a node's pods beside what each was booted for, and connections to that itself.

Owns who may run one, where its image is found, and the sessions that are open.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from pod_node.errors import ImageNotPreparedError, PodNotRunningError
from pod_node.executing import Ended, ExecOrder, Output
from pod_node.launching import program_call, refusal
from pod_node.sessions import no_steps, run_session
from pod_node.status import PodState
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.executing import ExecEvent, ExecStep
    from pod_node.images import CompiledImage
    from pod_node.lives import Lives
    from pod_node.runtime import OnExit, OnOutput, Process

LAST_LINE_BYTES = 1024
"""What is kept of a health check's output."""


class Images(Protocol):
    """Where a boot finds its image."""

    def find(self, reference: str) -> CompiledImage | None:
        """Return an image that is ready."""


class Programs:
    """What is run in pods, and who talks to them."""

    def __init__(self, images: Images, lives: Lives) -> None:
        """Begin without any.

        Args:
            images: Those that are ready.
            lives: The pods.
        """
        self._images = images
        self._lives = lives
        self._executions = TaskOwner()

    async def close(self) -> None:
        """End all sessions."""
        await self._executions.cancel_all()

    def exec(
        self, order: ExecOrder, steps: AsyncIterable[ExecStep]
    ) -> AsyncGenerator[ExecEvent, None]:
        """Run a program in a pod, beside its own; see `run_session`.

        Raises:
            UnknownPodError: no pod of that name was booted.
            PodNotRunningError: it does not run, or is paused.
            ExecError: it cannot run the program.
        """

        def start(on_output: OnOutput, on_exit: OnExit) -> Process:
            return self._start(order, on_output, on_exit)

        return run_session(start, steps, self._executions, terminal=order.window is not None)

    def attach(
        self, name: str, steps: AsyncIterable[AttachStep]
    ) -> AsyncGenerator[AttachEvent, None]:
        """Connect to a pod's main process; see `Console.attach`.

        Raises:
            UnknownPodError: no pod of that name was booted.
            PodNotRunningError: it has ended.
        """
        life = self._lives.find(name)
        if life.ended.is_set():
            raise PodNotRunningError(name, life.status.state.value)
        return life.console.attach(life.pod.input, steps, self._executions)

    async def check(self, pod: str, command: tuple[str, ...]) -> tuple[int, str]:
        """Run a health check's command: its exit status and the last line that it wrote."""
        written = b""
        events = self.exec(ExecOrder(pod=pod, command=command), no_steps())
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Output):
                    written = (written + event.data)[-LAST_LINE_BYTES:]
                elif isinstance(event, Ended):
                    lines = written.decode("utf-8", "replace").split("\n")
                    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
                    return event.exit.status, line
        raise AssertionError("a session ends with how its program ended")

    def _start(self, order: ExecOrder, on_output: OnOutput, on_exit: OnExit) -> Process:
        life = self._lives.find(order.pod)
        spec, state = life.status.spec, life.status.state
        if state is not PodState.RUNNING or life.status.paused:
            raise PodNotRunningError(order.pod, "paused" if life.status.paused else state.value)
        image = self._images.find(spec.image)
        if image is None:
            raise ImageNotPreparedError(spec.name, spec.image)
        call = program_call(order, spec, image)
        try:
            return life.pod.exec(call, on_output, on_exit, order.window)
        except OSError as error:
            raise refusal(spec.name, call.arguments[0], error) from error
