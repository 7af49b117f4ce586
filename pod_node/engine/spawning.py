"""Gives guests to the processes that guests ask for.

Owns the fabric's queue of them, the order in which pods get their turn, and what a pod that asks
too often is made to wait. Linking a guest holds the interpreter's lock for some milliseconds, which
all pods share.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Protocol

from pod_node.engine.process import take_spawned
from pod_node.engine.spawn_budget import SpawnBudget
from pod_node.engine.spawn_request import InvalidSpawnError, parse_spawn_request
from vnet.host import Event

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pod_node.engine.fabric import Fabric
    from pod_node.engine.process import KernelProcess, SpawnedProcess
    from pod_node.engine.signals import Signals
    from pod_node.executing import ProgramCall
    from vnet.host import Watches


class Spawner(Protocol):
    """A pod, as far as spawning concerns it."""

    def spawn(self, process: KernelProcess, request: ProgramCall) -> None:
        """Start a guest for a process of the pod.

        Raises:
            OSError: it cannot be, for the reason that the guest is told.
        """


class Spawning:
    """Serves the spawning of a whole fabric, on the event loop's thread."""

    def __init__(
        self,
        fabric: Fabric,
        watches: Watches,
        signals: Signals,
        loop: asyncio.AbstractEventLoop,
        on_refusal: Callable[[], None],
    ) -> None:
        """Serve from now on.

        Args:
            fabric: Whose queue to serve.
            watches: Tell when there is something in it.
            signals: Hear of processes that were killed by others.
            loop: Everything happens on its thread.
            on_refusal: Hears, by the same queue, that a disk was full.
        """
        self._on_refusal = on_refusal
        self._fabric = fabric
        self._watches = watches
        self._signals = signals
        self._loop = loop
        self._pods: dict[int, Spawner] = {}
        self._waiting: dict[int, deque[SpawnedProcess]] = {}
        self._budgets: dict[int, SpawnBudget] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._descriptor = fabric.call("host_spawn_open")
        self._arm()

    def add(self, main: KernelProcess, pod: Spawner) -> None:
        """Serve a pod from now on."""
        self._pods[main.number] = pod
        self._budgets[main.number] = SpawnBudget(self._loop.time())

    def remove(self, main: KernelProcess) -> None:
        """Serve a pod no more; what it asked for is refused."""
        self._pods.pop(main.number, None)
        self._budgets.pop(main.number, None)
        for spawned in self._waiting.pop(main.number, ()):
            self._refuse(spawned, errno.EAGAIN)
        self._take()

    def close(self) -> None:
        """Serve nobody any more; all pods have gone."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            self._closed = True
            self._take()
            self._watches.forget(self._descriptor)
            self._fabric.close(self._descriptor)

    def _arm(self) -> None:
        self._watches.watch(self._descriptor, Event.READ, self._readable)

    def _readable(self) -> None:
        if self._fabric.call("host_kills_take"):
            self._signals.notice_kills()
        if self._fabric.call("host_refusals_take"):
            self._on_refusal()
        self._take()
        self._arm()
        self._pump()

    def _take(self) -> None:
        """Sort what waits in the kernel by pods."""
        while (spawned := take_spawned(self._fabric)) is not None:
            if spawned.main in self._pods:
                self._waiting.setdefault(spawned.main, deque()).append(spawned)
            else:
                self._refuse(spawned, errno.EAGAIN)

    def _pump(self) -> None:
        """Start one process of each pod that may, and come back while there are more."""
        now = self._loop.time()
        delays: list[float] = []
        for main, queue in list(self._waiting.items()):
            delay_s = self._budgets[main].delay_s(now)
            if delay_s == 0:
                self._budgets[main].take(now)
                self._start(self._pods[main], queue.popleft())
            if queue:
                delays.append(delay_s)
            else:
                del self._waiting[main]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delays:
            self._timer = self._loop.call_later(min(delays), self._pump)

    def _start(self, pod: Spawner, spawned: SpawnedProcess) -> None:
        try:
            request = parse_spawn_request(spawned.request)
            pod.spawn(spawned.process, request)
        except InvalidSpawnError:
            self._refuse(spawned, errno.EINVAL)
        except OSError as error:
            self._refuse(spawned, error.errno or errno.EAGAIN)
        else:
            self._fabric.call("host_spawn_started", spawned.process.number)

    def _refuse(self, spawned: SpawnedProcess, error: int) -> None:
        self._fabric.call("host_spawn_refuse", spawned.process.number, error)
