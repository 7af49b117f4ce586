"""Signals for CPython: what the kernel holds for this process, given to the interpreter's handlers.

The kernel cannot call into a guest. It ends the wait that the process is in, and here is looked for
what has come: after each wait of the functions below, and now and then when objects are collected.
A program that only computes sees a signal at its next wait; a second interrupt ends it.
"""

import gc
import time
from _signal import SIG_DFL, SIG_IGN, getsignal, raise_signal  # type: ignore[import-not-found]
from posix import O_NONBLOCK, O_RDONLY, O_RDWR, read, write
from posix import open as open_file
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_SIZE = 128
"""What the kernel wants room for."""
UNCATCHABLE = frozenset({9, 19})
FIRST, LAST = 1, 31
LOOKED_AFTER = 0.05
"""Seconds between looks of a process that never waits."""

_control = -1
_signals = -1
_next_look = 0.0
_c_sleep: "Callable[[float], None]" = getattr(time.sleep, "c_sleep", time.sleep)


def control() -> int:
    """Return the descriptor of `/proc/ctl`."""
    global _control
    if _control < 0:
        _control = open_file("/proc/ctl", O_RDWR)
    return _control


def tell_masks() -> None:
    """Tell the kernel which signals have handlers here, and which are to do nothing."""
    caught = ignored = 0
    for number in range(FIRST, LAST + 1):
        if number in UNCATCHABLE:
            continue
        try:
            handler = getsignal(number)
        except ValueError:
            continue
        if handler == SIG_IGN:
            ignored |= 1 << number
        elif handler is not None and handler != SIG_DFL:
            caught |= 1 << number
    write(control(), b"catch %d %d" % (caught, ignored))


def deliver() -> None:
    """Run the handlers of signals that have come."""
    global _signals
    if _signals < 0:
        _signals = open_file("/proc/signals", O_RDONLY | O_NONBLOCK)
    try:
        numbers = read(_signals, TEXT_SIZE).split()
    except BlockingIOError:
        return
    for number in numbers:
        raise_signal(int(number))


def sleep(secs: float, /) -> None:
    """Delay execution for a given number of seconds; handlers of signals run meanwhile."""
    end = monotonic() + secs
    _c_sleep(secs)
    while (left := end - monotonic()) > 0.0005:  # a signal has ended the sleep
        deliver()
        _c_sleep(left)


def collected(phase: str, info: dict[str, int]) -> None:
    """Look now and then, where objects come and go."""
    global _next_look
    if phase == "start" and info["generation"] and monotonic() >= _next_look:
        _next_look = monotonic() + LOOKED_AFTER
        deliver()


def install() -> None:
    """Have handlers run during sleeps, and now and then; repeating is idle."""
    if collected not in gc.callbacks:
        vars(time)["sleep"] = sleep
        gc.callbacks.append(collected)


def telling(change: "Callable[..., object]") -> "Callable[..., object]":
    """Return `signal.signal`, with the kernel told of it."""

    def signal(signalnum: int, handler: object, /) -> object:
        """Set the action for a signal."""
        before = change(signalnum, handler)
        install()
        tell_masks()
        return before

    return signal


def pause() -> None:
    """Wait for a signal that has a handler, and run it."""
    descriptor = open_file("/proc/signals", O_RDONLY)
    from posix import close

    try:
        while True:
            try:
                numbers = read(descriptor, TEXT_SIZE).split()
            except InterruptedError:
                continue
            break
    finally:
        close(descriptor)
    for number in numbers:
        raise_signal(int(number))
