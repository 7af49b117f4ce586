"""The pods of one node: boot them, watch over them, end them.

Owns the table of pods and their lives (the generations of a name), their health checks, their
output's way into the log book, and the events that tell of all this. Does not know gRPC, topologies
or restarts: whoever drives the node decides what runs, which names exist and which pods a portal
leads to. Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol, Self

from pod_node.attaching import Console
from pod_node.dialling import dial
from pod_node.errors import (
    ImageNotPreparedError,
    InvalidSignalError,
    NetworkConflictError,
    NetworkInUseError,
    NetworkNotAttachedError,
    PodExistsError,
    PodNotRunningError,
    UnknownPodError,
)
from pod_node.executing import Ended, ExecOrder, Output
from pod_node.fanout import Fanout
from pod_node.files import PodTree
from pod_node.health import Health, HealthChanged
from pod_node.launching import program_call, refusal
from pod_node.logs import LogBook, LogTrouble
from pod_node.pinging import ping
from pod_node.portals import Portals
from pod_node.probe import watch
from pod_node.sessions import no_steps, run_session
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
from vnet.capture import CaptureBatch, Filter
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network
    from pathlib import Path
    from types import TracebackType

    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.dialling import PodConnection
    from pod_node.executing import ExecEvent, ExecStep
    from pod_node.files import Book, PodFolders, Roots
    from pod_node.history import LogWish
    from pod_node.images import CompiledImage
    from pod_node.records import LogLines
    from pod_node.runtime import OnExit, OnOutput, Pod, Process, Runtime
    from pod_node.spec import Mount, PodExit, PodSpec
    from pod_node.usage import PodUsage
    from vnet.capture import CaptureWish
    from vnet.configuration import NetworkConfiguration
    from vnet.ping import NumberedEcho, PingPlan
    from vnet.statistics import NetworkStatistics

WATCHER_EVENTS = 8192
"""Events that a slow watcher may have waiting: several for each of a thousand pods."""
LAST_LINE_BYTES = 1024
"""What is kept of a health check's output."""
LAST_GRACE_S = 1.0
"""How long pods have to end when the node does: whoever has pressed Ctrl-C waits for it."""
CLOSE_S = 1.0
"""How long closing waits for guests that were killed; the runtime promises a tenth of it."""


class Images(Protocol):
    """Where a boot finds its image."""

    def find(self, reference: str) -> CompiledImage | None:
        """Return an image that is ready."""


@dataclass(slots=True)
class _Life:
    """One life of a pod, from boot to exit."""

    status: PodStatus
    pod: Pod
    mounts: tuple[Mount, ...]
    folders: PodFolders
    console: Console
    checks: asyncio.Task[None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


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
        self._lives: dict[str, _Life] = {}
        self._executions = TaskOwner()
        self._images = images
        self._networks: dict[str, IPv4Network] = {}
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
            await self._executions.cancel_all()
            self.logs.close()
            # A group would wrap an error of the block's own; only a failed task is to be wrapped.
            cancelled = isinstance(error, asyncio.CancelledError)
            ending = (kind, error, traceback) if cancelled else (None, None, None)
            await self._tasks.__aexit__(*ending)
        finally:
            self._events.close()
            await self._runtime.close()

    def attach_network(self, name: str, subnet: IPv4Network) -> None:
        """Declare a network; repeating it changes nothing.

        Raises:
            NetworkConflictError: it exists with another subnet.
        """
        existing = self._networks.get(name)
        if existing is None:
            self._runtime.attach_network(name, subnet)
            self._networks[name] = subnet
        elif existing != subnet:
            raise NetworkConflictError(name, str(subnet), str(existing))

    @property
    def networks(self) -> Mapping[str, IPv4Network]:
        """The networks that were declared."""
        return self._networks

    def detach_network(self, name: str) -> None:
        """Take a network away; one that does not exist counts as taken away.

        Raises:
            NetworkInUseError: a pod is on it that has not ended.
        """
        for life in self._lives.values():
            if not life.ended.is_set() and any(
                interface.network == name for interface in life.status.spec.interfaces
            ):
                raise NetworkInUseError(name, life.status.spec.name)
        if self._networks.pop(name, None) is not None:
            self._runtime.detach_network(name)

    def configure_network(self, configuration: NetworkConfiguration) -> None:
        """Replace links, routes, faults, policies and egress rules.

        Raises:
            NetworkNotAttachedError: a group is on a network that was not attached.
            PodNodeError: the runtime refused.
        """
        for group in configuration.groups:
            self._require_network(group.network)
        self._runtime.configure_network(configuration)

    def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""
        return self._runtime.network_statistics(flows=flows)

    def ping(
        self, source: IPv4Address, target: IPv4Address, plan: PingPlan
    ) -> AsyncGenerator[NumberedEcho, None]:
        """Send echo requests from one interface to another; see `pinging.ping`."""
        return ping(self._runtime, source, target, plan)

    async def capture(self, wish: CaptureWish) -> AsyncGenerator[CaptureBatch, None]:
        """Report the packets that somebody wants to see, until there were as many as wanted.

        Raises:
            ExpressionError: the filter cannot be understood, or names somebody unknown.
            PodNodeError: the runtime refused.
        """
        chosen = Filter(wish.filter, self._addresses)
        seen = 0
        batches = self._runtime.capture(wish.place, snapshot_bytes=wish.snapshot_bytes)
        async with aclosing(batches):
            async for batch in batches:
                left = wish.count - seen if wish.count else None
                packets = tuple(islice(filter(chosen.matches, batch.packets), left))
                seen += len(packets)
                if packets or batch.lost:
                    yield CaptureBatch(packets=packets, lost=batch.lost)
                if wish.count and seen >= wish.count:
                    return

    async def dial(self, address: IPv4Address, port: int, timeout_s: float) -> PodConnection:
        """Connect to a pod from the node's own endpoint.

        Raises:
            DialError: it does not take the connection.
        """
        return await dial(self._runtime.endpoint, str(address), port, timeout_s)

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names that pods on a network can look up.

        Raises:
            NetworkNotAttachedError: there is no such network.
        """
        self._require_network(network)
        self._runtime.publish(network, names)

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
            self._require_network(interface.network)
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
        life = self._life(name)
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
        life = self._life(name)
        if life.status.state in (PodState.BOOTING, PodState.RUNNING):
            self.portals.remove_pod(name)
            _cancel_checks(life)
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
        life = self._life(name)
        if not life.ended.is_set():
            try:
                life.pod.signal(number)
            except OSError as error:
                raise InvalidSignalError(number) from error
        return life.status

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
            return self._start_program(order, on_output, on_exit)

        return run_session(start, steps, self._executions, terminal=order.window is not None)

    def attach(
        self, name: str, steps: AsyncIterable[AttachStep]
    ) -> AsyncGenerator[AttachEvent, None]:
        """Connect to a pod's main process; see `Console.attach`.

        Raises:
            UnknownPodError: no pod of that name was booted.
            PodNotRunningError: it has ended.
        """
        life = self._life(name)
        if life.ended.is_set():
            raise PodNotRunningError(name, life.status.state.value)
        return life.console.attach(life.pod.input, steps, self._executions)

    async def kill(self, name: str) -> PodStatus:
        """End a pod at once; return when it has ended.

        Raises:
            UnknownPodError: no pod of that name was booted.
        """
        life = self._life(name)
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
        life = self._life(name)
        running = not life.ended.is_set()
        book = life.pod.disks() if running else self._roots.book(name)
        return PodTree.of_pod(life.mounts, life.folders, book.hidden(), running=running), book

    def _life(self, name: str) -> _Life:
        life = self._lives.get(name)
        if life is None:
            raise UnknownPodError(name)
        return life

    def _addresses(self, name: str) -> list[IPv4Address]:
        """Find the addresses of a pod or of a service's pods."""
        return [
            interface.address
            for status in self.statuses()
            if name in (status.spec.name, status.spec.service)
            for interface in status.spec.interfaces
        ]

    def _start_program(self, order: ExecOrder, on_output: OnOutput, on_exit: OnExit) -> Process:
        life = self._life(order.pod)
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

    async def _run_command(self, pod: str, command: tuple[str, ...]) -> tuple[int, str]:
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

    def _set_paused(self, name: str, *, paused: bool) -> PodStatus:
        life = self._life(name)
        status = life.status
        if status.state is not PodState.RUNNING:
            raise PodNotRunningError(name, status.state.value)
        if status.paused is not paused:
            (life.pod.pause if paused else life.pod.resume)()
            life.status = replace(status, paused=paused)
            generation = status.generation
            self._tell(PodPauseChanged(pod=name, generation=generation, paused=paused))
        return life.status

    def _require_network(self, name: str) -> None:
        if name not in self._networks:
            raise NetworkNotAttachedError(name)

    def _start(self, spec: PodSpec, image: CompiledImage, generation: int) -> _Life:
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
        return _Life(status, pod, mounts, folders, console)

    def _sweep(self) -> None:
        if self._roots.has_discarded:
            self._tasks.create_task(self._roots.sweep(), name="sweep")

    def _start_checks(self, life: _Life) -> None:
        spec = life.status.spec
        check = spec.healthcheck
        if check is None or (not spec.interfaces and check.kind is not ProbeKind.COMMAND):
            return
        checking = watch(
            check,
            spec.interfaces[0].address if spec.interfaces else None,
            self._runtime.endpoint.open_connection,
            lambda command: self._run_command(spec.name, command),
            lambda change: self._on_health(life, change),
        )
        life.checks = self._tasks.create_task(checking, name=f"health of {spec.name}")

    def _on_health(self, life: _Life, change: HealthChanged) -> None:
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
        _cancel_checks(life)
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
        living = [life for life in self._lives.values() if not life.ended.is_set()]
        for life in living:
            _cancel_checks(life)
            life.pod.signal(life.status.spec.stop_signal)
        await _ends_of(living, LAST_GRACE_S)
        for life in living:
            life.pod.kill()
        await _ends_of(living, CLOSE_S)


async def _ends_of(lives: Sequence[_Life], within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            for life in lives:
                await life.ended.wait()


def _cancel_checks(life: _Life) -> None:
    if life.checks is not None:
        life.checks.cancel()
