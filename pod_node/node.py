"""The pods of one node: boot them, watch over them, end them.

Owns the beginning and the end of lives (the generations of a name), their health checks, their
output's way into the log book, and the events that tell of all this. Its parts own the rest: the
networks, programs in pods, portals. Does not know gRPC, topologies or restarts: whoever drives the
node decides what runs, which names exist and which pods a portal leads to. Everything here runs on
one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pod_node.attaching import Console
from pod_node.errors import (
    ImageNotPreparedError,
    InvalidSignalError,
    PodExistsError,
    PodNotRunningError,
)
from pod_node.fanout import Fanout
from pod_node.files import PodTree
from pod_node.health import Health, HealthChanged
from pod_node.lives import Life, Lives, ends_of
from pod_node.logs import LogBook, LogTrouble
from pod_node.networks import Networks
from pod_node.portals import Portals
from pod_node.probe import watch
from pod_node.programs import Programs
from pod_node.spec import ProbeKind
from pod_node.status import (
    EventsLost,
    Happening,
    LogNotice,
    NodeEvent,
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodPauseChanged,
    PodState,
    PodStateChanged,
    PodStatus,
    Synced,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path
    from types import TracebackType

    from pod_node.files import Book, Roots
    from pod_node.history import LogWish
    from pod_node.images import CompiledImage
    from pod_node.programs import Images
    from pod_node.records import LogLines
    from pod_node.runtime import Runtime
    from pod_node.spec import PodExit, PodSpec
    from pod_node.usage import PodUsage

WATCHER_EVENTS = 8192
"""Events that a slow watcher may have waiting: several for each of a thousand pods."""
LAST_GRACE_S = 1.0
"""How long pods have to end when the node does: whoever has pressed Ctrl-C waits for it."""
CLOSE_S = 1.0
"""How long closing waits for guests that were killed; the runtime promises a tenth of it."""


class Node:
    """All pods of one node process; a context manager that leaves no guest behind."""

    def __init__(
        self,
        runtime: Runtime,
        images: Images,
        logs_folder: Path,
        roots: Roots,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.logs = LogBook(logs_folder, self._on_log_trouble, wall)
        self.portals = Portals(runtime.endpoint.open_connection)
        self._runtime = runtime
        self._roots = roots
        self._wall = wall
        self._tasks = asyncio.TaskGroup()
        self._lives = Lives()
        self.networks = Networks(runtime, self._lives)
        self.programs = Programs(images, self._lives)
        self._images = images
        self._events: Fanout[NodeEvent] = Fanout(WATCHER_EVENTS)
        self._sequence = 0
        runtime.report_egress(self._tell)
        runtime.report_full_disks(self._on_full_disk)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.create_task(self.logs.run(), name="logs")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.portals.stop()
            await self._end_all()
            await self.programs.close()
            self.logs.close()
            # A group would wrap an error of the block's own; only a failed task is to be wrapped.
            cancelled = isinstance(error, asyncio.CancelledError)
            ending = (kind, error, traceback) if cancelled else (None, None, None)
            await self._tasks.__aexit__(*ending)
        finally:
            self._events.close()
            await self._runtime.close()

    def boot(self, spec: PodSpec) -> PodStatus:
        """Boot a pod, under a new name or one whose pod has ended; an event tells when it runs.

        Raises:
            PodExistsError: the name's pod has not ended.
            ImageNotPreparedError: the image was not prepared.
            NetworkNotAttachedError: one of its networks was not attached.
            PodNodeError: the runtime refused.
        """
        previous = self._lives.get(spec.name)
        if previous is not None and not previous.ended.is_set():
            raise PodExistsError(spec.name, previous.status.state.value)
        image = self._images.find(spec.image)
        if image is None:
            raise ImageNotPreparedError(spec.name, spec.image)
        for interface in spec.interfaces:
            self.networks.require(interface.network)
        life = self._start(spec, image, previous.status.generation + 1 if previous else 1)
        self._sweep()
        self._lives[spec.name] = life
        self._start_checks(life)
        return life.status

    def remove(self, name: str) -> None:
        """Forget a pod that has ended, and all that it wrote; its log stays.

        Raises:
            UnknownPodError: no pod of that name was booted.
            PodExistsError: it has not ended.
        """
        life = self._lives.find(name)
        if not life.ended.is_set():
            raise PodExistsError(name, life.status.state.value)
        self.portals.remove_pod(name)
        del self._lives[name]
        self._roots.discard(name)
        self._sweep()

    async def stop(self, name: str, grace_s: float) -> PodStatus:
        """Send a pod its stop signal, give it time, then kill it; return when it has ended.

        A program that does not handle the signal ends at once.

        Raises:
            UnknownPodError: no pod of that name was booted.
        """
        life = self._lives.find(name)
        if life.status.state in (PodState.BOOTING, PodState.RUNNING):
            self.portals.remove_pod(name)
            life.cancel_checks()
            life.status = replace(life.status, state=PodState.STOPPING)
            generation = life.status.generation
            self._tell(PodStateChanged(pod=name, generation=generation, state=PodState.STOPPING))
        if not life.ended.is_set() and grace_s > 0:
            life.pod.signal(life.status.spec.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await life.ended.wait()
        return await self.kill(name)

    def signal(self, name: str, number: int) -> PodStatus:
        """Send a pod's main process a signal; one that has ended hears nothing.

        Raises:
            UnknownPodError: no pod of that name was booted.
            InvalidSignalError: pods do not have that signal.
        """
        life = self._lives.find(name)
        if not life.ended.is_set():
            try:
                life.pod.signal(number)
            except OSError as error:
                raise InvalidSignalError(number) from error
        return life.status

    async def kill(self, name: str) -> PodStatus:
        """End a pod at once; return when it has ended.

        Raises:
            UnknownPodError: no pod of that name was booted.
        """
        life = self._lives.find(name)
        if not life.ended.is_set():
            life.pod.kill()
            await life.ended.wait()
        return life.status

    def pause(self, name: str) -> PodStatus:
        """Keep a pod from running; one that is paused stays so.

        Raises:
            UnknownPodError: no pod of that name was booted.
            PodNotRunningError: it does not run.
        """
        return self._set_paused(name, paused=True)

    def resume(self, name: str) -> PodStatus:
        """Let a paused pod go on; one that is not paused goes on anyway.

        Raises:
            UnknownPodError: no pod of that name was booted.
            PodNotRunningError: it does not run.
        """
        return self._set_paused(name, paused=False)

    def usages(self) -> list[PodUsage]:
        """What each pod uses that runs."""
        return [life.pod.usage() for life in self._lives.values() if not life.ended.is_set()]

    def statuses(self) -> list[PodStatus]:
        """Every pod as it stands, those that ended included, in the order of their first boot."""
        return [life.status for life in self._lives.values()]

    async def watch(self) -> AsyncGenerator[NodeEvent, None]:
        """Report every pod as it stands, then `Synced`, then each change as it happens."""
        with self._events.subscribe() as subscription:
            for status in self.statuses():
                yield self._event(PodExisting(status=status))
            yield self._event(Synced())
            async for event in subscription:
                if subscription.lost:
                    yield self._event(EventsLost(subscription.lost))
                    return
                yield event

    def read_logs(self, wish: LogWish) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Read what pods wrote; see `LogBook.read`."""
        return self.logs.read(wish)

    def files(self, name: str) -> tuple[PodTree, Book]:
        """Give what a pod sees, or would see if it ran, and where what is put there is counted.

        Raises:
            UnknownPodError: no pod of that name was booted.
        """
        life = self._lives.find(name)
        running = not life.ended.is_set()
        book = life.pod.disks() if running else self._roots.book(name)
        return PodTree.of_pod(life.mounts, life.folders, book.hidden(), running=running), book

    def _set_paused(self, name: str, *, paused: bool) -> PodStatus:
        life = self._lives.find(name)
        status = life.status
        if status.state is not PodState.RUNNING:
            raise PodNotRunningError(name, status.state.value)
        if status.paused is not paused:
            (life.pod.pause if paused else life.pod.resume)()
            life.status = replace(status, paused=paused)
            generation = status.generation
            self._tell(PodPauseChanged(pod=name, generation=generation, paused=paused))
        return life.status

    def _start(self, spec: PodSpec, image: CompiledImage, generation: int) -> Life:
        self.logs.begin(spec.name)
        mounts = (*image.mounts, *spec.mounts)
        folders = self._roots.open(spec, mounts)
        console = Console(spec)

        def hear(descriptor: int, chunk: bytes) -> None:
            self.logs.write(spec.name, descriptor, chunk)
            console.output(descriptor, chunk)

        booted_at_s, started_at = self._wall(), asyncio.get_running_loop().time()
        pod = self._runtime.boot(
            spec,
            image,
            hear,
            lambda end: self._on_exit(spec.name, end),
            lambda moment: self._on_running(spec.name, moment - started_at),
            folders,
        )
        status = PodStatus(
            spec=spec,
            state=PodState.BOOTING,
            generation=generation,
            health=Health.STARTING if spec.healthcheck else None,
            booted_at_s=booted_at_s,
        )
        return Life(status, pod, mounts, folders, console)

    def _sweep(self) -> None:
        if self._roots.has_discarded:
            self._tasks.create_task(self._roots.sweep(), name="sweep")

    def _start_checks(self, life: Life) -> None:
        spec = life.status.spec
        check = spec.healthcheck
        if check is None or (not spec.interfaces and check.kind is not ProbeKind.COMMAND):
            return
        checking = watch(
            check,
            spec.interfaces[0].address if spec.interfaces else None,
            self._runtime.endpoint.open_connection,
            self._runtime.endpoint.wait_for_listener,
            lambda command: self.programs.check(spec.name, command),
            lambda change: self._on_health(life, change),
        )
        life.checks = self._tasks.create_task(checking, name=f"health of {spec.name}")

    def _on_health(self, life: Life, change: HealthChanged) -> None:
        life.status = replace(life.status, health=change.health, health_reason=change.reason)
        self._tell(
            PodHealthChanged(
                pod=life.status.spec.name,
                generation=life.status.generation,
                health=change.health,
                reason=change.reason,
            )
        )

    def _on_running(self, name: str, boot_s: float) -> None:
        life = self._lives[name]
        life.status = replace(life.status, boot_s=boot_s)
        if life.status.state is not PodState.BOOTING:
            return  # told to stop meanwhile
        life.status = replace(life.status, state=PodState.RUNNING)
        generation = life.status.generation
        self._tell(
            PodStateChanged(pod=name, generation=generation, state=PodState.RUNNING, boot_s=boot_s)
        )

    def _on_full_disk(self, name: str, target: str) -> None:
        life = self._lives[name]
        life.status = replace(life.status, full_disk=target)
        generation = life.status.generation
        self._tell(PodDiskFull(pod=name, generation=generation, target=target))

    def _on_exit(self, name: str, end: PodExit) -> None:
        life = self._lives[name]
        life.cancel_checks()
        self.logs.end(name)
        life.console.ended(end)
        disks = life.pod.disks()
        self._roots.close(name, disks.usage(), disks.hidden())
        self._sweep()
        exited_at_s = self._wall()
        life.status = replace(
            life.status, state=PodState.EXITED, exit=end, exited_at_s=exited_at_s, paused=False
        )
        life.ended.set()
        self._tell(
            PodExited(
                pod=name,
                generation=life.status.generation,
                exit=end,
                last_error_line=self.logs.last_error_line(name),
            )
        )

    def _on_log_trouble(self, trouble: LogTrouble) -> None:
        message = (
            f"{trouble.path}: {trouble.reason}; the pod goes on without its log, "
            "which resumes by itself when writing works again"
        )
        self._tell(LogNotice(pod=trouble.pod, message=message))

    def _tell(self, happening: Happening) -> None:
        self._sequence += 1
        self._events.publish(self._event(happening))

    def _event(self, happening: Happening) -> NodeEvent:
        return NodeEvent(sequence=self._sequence, time_s=self._wall(), happening=happening)

    async def _end_all(self) -> None:
        living = self._lives.living
        for life in living:
            life.cancel_checks()
            life.pod.signal(life.status.spec.stop_signal)
        await ends_of(living, LAST_GRACE_S)
        for life in living:
            life.pod.kill()
        await ends_of(living, CLOSE_S)
