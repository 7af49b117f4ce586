"""The `podnet` command as somebody runs it who has it installed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

PODNET = [sys.executable, "-m", "orchestrator.cli.main"]


def installed(environment: Mapping[str, str], state: str) -> dict[str, str]:
    """Give commands a state folder of their own, and let their bytecode be kept there.

    It is kept for whoever has podnet installed, too, and not in the tree.
    """
    kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PODNET_STATE": state, "PYTHONPYCACHEPREFIX": f"{state}/.bytecode"}


def time_s(command: list[str], environment: Mapping[str, str]) -> float:
    """Run a command that must succeed, from its start to its end."""
    begin = time.perf_counter()
    subprocess.run(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begin
