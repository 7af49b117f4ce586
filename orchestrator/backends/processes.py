"""Node processes that somebody else may have started: found by their lock, watched, ended.

Owns what makes it safe to signal a process by its id: a descriptor of the process is opened first,
and only then the lock is looked at again, so that no id that was given to another process meanwhile
is ever signalled.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

from pod_node.lock import LOCK_FILE


class FoundProcess:
    """A process that holds a lock; to be closed."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended does not mind."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    async def wait(self) -> None:
        """Wait until the process has ended."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._descriptor)

    def collect(self) -> int | None:
        """Say how a process ended that has: its exit status, or minus the signal that ended it.

        None when that is not known, because it is no child of this one.
        """
        try:
            result = os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED)
        except ChildProcessError:
            return None
        if result is None:
            return None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    def close(self) -> None:
        """Let go of it; the process does not notice."""
        os.close(self._descriptor)


def find_node(folder: Path) -> FoundProcess | None:
    """Find the node of a state folder; None when none runs."""
    pid = lock_holder(folder / LOCK_FILE)
    if pid is None:
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if lock_holder(folder / LOCK_FILE) != pid:
        os.close(descriptor)
        return None
    return FoundProcess(pid, descriptor)


def lock_holder(path: Path) -> int | None:
    """Say which process holds a lock file; None when nobody does, or has not said yet who it is."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() and int(text) > 0 else None
    finally:
        os.close(descriptor)
    return None


def has_ended(pid: int) -> bool:
    """Say whether no process of this machine has an id, or only one that nobody has collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return True
    return state[0] in "ZX"


async def end_process(process: FoundProcess, patience_s: float) -> None:
    """End a process in order, and by force when that takes too long."""
    process.send(signal.SIGTERM)
    try:
        async with asyncio.timeout(patience_s):
            await process.wait()
    except TimeoutError:
        process.send(signal.SIGKILL)
        await process.wait()
