"""Counts Python calls that the node makes, on every thread: the proof that none is made for a byte.

Guest code runs on threads that Python started, so a host function called from wasm would show up
there as a call of a Python function. On the event loop's thread only the node's own code counts.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType

from tests.bench.builds import ROOT

NODE_CODE = (f"{ROOT}/pod_node/", f"{ROOT}/vnet/")


class CallCounter:
    """Counts between `arm` and `disarm`, on this thread and on those started after `install`."""

    def __init__(self) -> None:
        self._loop_thread = threading.get_ident()
        self._armed = False
        self._calls = 0

    def install(self) -> None:
        threading.setprofile(self._notice)
        sys.setprofile(self._notice)

    def remove(self) -> None:
        threading.setprofile(None)
        sys.setprofile(None)

    def arm(self) -> None:
        self._armed = True

    def disarm(self) -> int:
        """Stop counting and return the number of calls."""
        self._armed = False
        return self._calls

    def _notice(self, frame: FrameType, event: str, _argument: object) -> None:
        if not self._armed or event != "call":
            return
        elsewhere = threading.get_ident() != self._loop_thread
        if elsewhere or frame.f_code.co_filename.startswith(NODE_CODE):
            self._calls += 1
