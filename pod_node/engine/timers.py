"""How late the calling thread's timed waits may end.

Linux may end the timed waits of ordinary threads 50 microseconds late, to save power by doing
several things at one wake-up (prctl(2), PR_SET_TIMERSLACK). A thread that moves packets by the
clock should not wait that long.
"""

from __future__ import annotations

import ctypes
import sys

_PR_SET_TIMERSLACK = 29
_LEAST_NS = 1


def wake_promptly() -> None:
    """Have the calling thread's timed waits end as soon as they can; does nothing but on Linux.

    A thread that cannot have it is woken a little later, which nobody needs to be told.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_LEAST_NS))
