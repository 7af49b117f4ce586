"""The few changes to the standard library that a build without threads and signals needs.

Each is made right after the module's own code has run, and none imports a module that was not
imported anyway. Programs see the same names with the same arguments.
"""

import sys
from errno import EBADF
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socketserver
    from asyncio import Future
    from collections.abc import Callable, Iterable
    from importlib.abc import Loader
    from socket import socket
    from types import ModuleType
    from typing import Protocol

    class HasFileno(Protocol):
        """What `select` takes besides numbers."""

        def fileno(self) -> int:
            """Return a descriptor."""

    class InnerLoop(Protocol):
        """The parts of `BaseEventLoop` that an executor concerns."""

        _default_executor: object

        def _check_closed(self) -> None: ...
        def _check_default_executor(self) -> None: ...
        def create_future(self) -> Future[object]:
            """Return a future of this loop."""

    FileLike = int | HasFileno

LOOK_EVERY = 64
"""A program that never waits in vain looks for signals so often."""
SERIAL_WARNING = (
    "podnet: this Python has no threads, so {name} serves one connection after the other\n"
)


def run_adjusted(module: "ModuleType", loader: "Loader") -> None:
    """Run a module's own code, under the circumstances that it needs."""
    if module.__name__ != "subprocess":
        loader.exec_module(module)
        return
    from podnet_guest.processes import adjust_subprocess

    adjust_subprocess(lambda: loader.exec_module(module))


def adjust(module: "ModuleType") -> None:
    """Change a module that has just been loaded."""
    if module.__name__ in ADJUSTMENTS:
        ADJUSTMENTS[module.__name__](module)


def adjust_select(module: "ModuleType") -> None:
    """Free `select.select` from FD_SETSIZE: the shipped build uses no descriptor twice."""
    poll = module.poll
    to_read, to_write = module.POLLIN, module.POLLOUT
    invalid = module.POLLNVAL

    def select(
        rlist: "Iterable[FileLike]",
        wlist: "Iterable[FileLike]",
        xlist: "Iterable[FileLike]",
        timeout: float | None = None,
        /,
    ) -> tuple[list["FileLike"], list["FileLike"], list["FileLike"]]:
        """Wait until one or more descriptors are ready for some kind of I/O."""
        readers = [(entry, number_of(entry)) for entry in rlist]
        writers = [(entry, number_of(entry)) for entry in wlist]
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be non-negative")
        if not readers and not writers:
            wait_for_time(timeout)
            return [], [], []
        events: dict[int, int] = {}
        for entries, event in ((readers, to_read), (writers, to_write)):
            for _, number in entries:
                events[number] = events.get(number, 0) | event
        poller = poll()
        for number, event in events.items():
            poller.register(number, event)
        ready = dict(wait_for_any(poller.poll, timeout))
        if any(seen & invalid for seen in ready.values()):
            raise OSError(EBADF, "Bad file descriptor")
        return (
            [entry for entry, number in readers if ready.get(number, 0) & ~to_write],
            [entry for entry, number in writers if ready.get(number, 0) & ~to_read],
            [],
        )

    vars(module).update(select=select)


def wait_for_time(timeout: float | None) -> None:
    """Wait until the time is over, or for ever; handlers of signals run meanwhile."""
    from podnet_guest.signals import sleep

    while timeout is None:
        sleep(3600)
    sleep(timeout)


def wait_for_any(
    poll: "Callable[[float | None], list[tuple[int, int]]]", timeout: float | None
) -> list[tuple[int, int]]:
    """Wait for events or the time to be over; handlers of signals run meanwhile."""
    from podnet_guest.signals import deliver

    end = None if timeout is None else monotonic() + timeout
    while True:
        left = None if end is None else max(end - monotonic(), 0)
        events = poll(None if left is None else left * 1000)
        if events or left == 0:
            return events
        deliver()
        if end is not None and monotonic() >= end:
            return events


def number_of(entry: "FileLike") -> int:
    """Return the descriptor that an argument of `select` stands for."""
    return entry if isinstance(entry, int) else entry.fileno()


def adjust_signal(module: "ModuleType") -> None:
    """Add what asyncio calls and WASI lacks, and tell the kernel of handlers."""
    from podnet_guest.signals import pause, telling

    def siginterrupt(signalnum: int, flag: bool, /) -> None:
        """Do nothing: handlers run after a wait, and Python waits on."""

    def valid_signals() -> set["signal.Signals"]:
        """Return the signals of this system."""
        return set(module.Signals)

    vars(module).update(
        siginterrupt=siginterrupt,
        valid_signals=valid_signals,
        signal=telling(module.signal),
        pause=pause,
    )


def adjust_selectors(module: "ModuleType") -> None:
    """Run handlers of signals after waits."""
    from podnet_guest.signals import deliver

    select = module._PollLikeSelector.select
    calls = 0

    def looking(self: object, timeout: float | None = None) -> list[object]:
        """Wait until some registered files are ready, the time is over, or a signal comes."""
        nonlocal calls
        ready: list[object] = select(self, timeout)
        calls += 1
        if not ready or calls % LOOK_EVERY == 0:
            deliver()
        return ready

    module._PollLikeSelector.select = looking


def adjust_socketserver(module: "ModuleType") -> None:
    """Have ThreadingMixIn serve in the main thread, and say so once."""
    warned: set[str] = set()

    def process_request(
        self: "socketserver.ThreadingMixIn", request: "socket", client_address: object
    ) -> None:
        """Serve the connection at once."""
        name = type(self).__name__
        if name not in warned:
            warned.add(name)
            sys.stderr.write(SERIAL_WARNING.format(name=name))
        self.process_request_thread(request, client_address)

    module.ThreadingMixIn.process_request = process_request


def adjust_asyncio(module: "ModuleType") -> None:
    """Have the event loop's default executor run its functions at once, in the loop's thread."""
    threaded = module.BaseEventLoop.run_in_executor

    def run_in_executor(
        self: "InnerLoop",
        executor: object,
        func: "Callable[..., object]",
        *args: object,
    ) -> "Future[object]":
        """Run a function: at once, unless an executor is named."""
        future: Future[object]
        if executor is not None or self._default_executor is not None:
            future = threaded(self, executor, func, *args)
            return future
        self._check_closed()
        self._check_default_executor()
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the future carries it to whoever awaits
            future.set_exception(error)
        return future

    module.BaseEventLoop.run_in_executor = run_in_executor


def adjust_tempfile(module: "ModuleType") -> None:
    """Have a TemporaryFile a name until it is closed, as on Windows: a child opens it by that."""
    vars(module).update(TemporaryFile=module.NamedTemporaryFile)


def adjust_http_client(module: "ModuleType") -> None:
    """Have plain headers read faster."""
    from podnet_guest.fast_http import adjust_client

    adjust_client(module)


def adjust_http_server(module: "ModuleType") -> None:
    """Have the date of answers written faster."""
    from podnet_guest.fast_http import adjust_server

    adjust_server(module)


ADJUSTMENTS: "dict[str, Callable[[ModuleType], None]]" = {
    "select": adjust_select,
    "selectors": adjust_selectors,
    "signal": adjust_signal,
    "socketserver": adjust_socketserver,
    "asyncio.base_events": adjust_asyncio,
    "http.client": adjust_http_client,
    "http.server": adjust_http_server,
    "tempfile": adjust_tempfile,
}
