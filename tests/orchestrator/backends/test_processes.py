"""Processes by their ids."""

from __future__ import annotations

import os
import subprocess
import sys

from orchestrator.backends.processes import has_ended


def test_a_process_has_ended_when_it_is_gone_or_nobody_has_collected_it() -> None:
    assert not has_ended(os.getpid())
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    with process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(process.pid)
    assert has_ended(process.pid)
