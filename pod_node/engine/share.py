"""The share of a processor that the processes of one pod have together."""

from __future__ import annotations

import threading

from pod_node.engine.bandwidth import Bandwidth


class Share:
    """One pod's bandwidth, charged by the threads of all its processes."""

    __slots__ = ("_bandwidth", "_lock", "_used_s")

    def __init__(self, cpus: float, now: float) -> None:
        """Begin a first period; see `Bandwidth`."""
        self._bandwidth = Bandwidth(cpus, now)
        self._lock = threading.Lock()
        self._used_s = 0.0

    def charge(self, used_s: float, now: float) -> float:
        """Return for how many seconds a process must wait; 0 when it may compute.

        Args:
            used_s: the CPU time that it has had since it was charged last.
            now: the time, on the clock of the beginning.
        """
        with self._lock:
            self._used_s += used_s
            return self._bandwidth.charge(self._used_s, now)
