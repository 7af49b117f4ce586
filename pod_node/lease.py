"""A node's lease: the right to run pods until a moment, put off again and again.

Owns the moment, and the end of the process when it passes. A node that is cut off cannot know
whether its pods are run elsewhere meanwhile, so it must be gone before anybody else may think that
it is; that is why the process ends at once, without any order, and why this does not wait for an
event loop that may be stuck.

A process without a lease has nobody who could run its pods elsewhere. Where there is one, it is
granted before the first pod.

Moments are read from CLOCK_BOOTTIME, which is the same for all processes of a machine and goes on
while the machine sleeps.
"""

from __future__ import annotations

import os
import threading
import time

FENCED_STATUS = 75
"""Exit status of a node whose lease ended; EX_TEMPFAIL of sysexits.h."""
_WORD = b"lease "


def boot_time() -> float:
    """Seconds since the machine started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def lease_line(until: float) -> bytes:
    """Write an extension as the node's standard input takes it."""
    return _WORD + f"{until:.3f}\n".encode()


def parse_lease_line(line: bytes) -> float | None:
    """Read an extension; None for anything else."""
    if not line.startswith(_WORD):
        return None
    try:
        return float(line.removeprefix(_WORD))
    except ValueError:
        return None


class Lease:
    """The process's lease; watched by a thread of its own from its first moment on."""

    def __init__(self) -> None:
        self._until = 0.0
        self._changed = threading.Condition()
        self._is_watched = False

    def extend(self, until: float) -> None:
        """Have the lease until this moment, or the one that was granted before if that is later."""
        with self._changed:
            self._until = max(self._until, until)
            self._changed.notify()
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, name="lease", daemon=True).start()

    def _watch(self) -> None:
        """End the process when the lease ends."""
        with self._changed:
            while (left := self._until - boot_time()) > 0:
                self._changed.wait(left)
        os.write(2, b"the lease of this node has ended: its pods may run elsewhere now\n")
        os._exit(FENCED_STATUS)
