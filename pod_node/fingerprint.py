"""What compiled code depends on besides the module: the engine, its configuration, the processor.

Owns that text and what goes into it. Imports no engine, so that those can ask who never run a
guest.
"""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

WASM_STACK_BYTES = 1 << 20
"""Deep recursion in interpreters ends here as a trap; threads have eight times that."""


def fingerprint() -> str:
    """Tell this engine's version and configuration and this processor from all others."""
    processor = hashlib.sha256(_processor().encode()).hexdigest()[:16]
    return f"wasmtime-{version('wasmtime')}-epochs-threads-metered-{WASM_STACK_BYTES}-{processor}"


def _processor() -> str:
    """Return what code generation depends on: the architecture and the processor's features."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {features}"
