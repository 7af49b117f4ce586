"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict


class MachineFacts(TypedDict):
    """The head of the JSON file."""

    cores: int
    processor: str
    memory_bytes: int
    system: str
    python: str
    wasmtime: str
    ziglang: str
    cc: str
    load_average: float
    """Over one minute, before anything was measured."""


def machine_facts() -> MachineFacts:
    """Cores, kernel and the versions that move a figure."""
    return {
        "cores": os.cpu_count() or 1,
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "wasmtime": version("wasmtime"),
        "ziglang": version("ziglang"),
        "cc": _first_line("cc", "--version"),
        "load_average": os.getloadavg()[0],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.partition("\n")[0]
