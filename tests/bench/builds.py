"""Builds the measured C programs twice from one source: natively with `cc`, for pods with `zig cc`.

Products are kept under `build/bench/` by the digest of what they were made from.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from pod_node.guests.c import INCLUDE

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PRODUCTS = ROOT / "build" / "bench"
ZIG_CACHE = ROOT / "build" / "zig-cache"

WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror")
NATIVE = ("cc", "-std=gnu11", "-O2", *WARNINGS)
POD = (
    *(sys.executable, "-m", "ziglang", "cc", "--target=wasm32-wasi"),
    *("-std=gnu11", "-O2", "-s", *WARNINGS, "-I", str(INCLUDE)),
)


def native_program(name: str) -> Path:
    """The executable of `programs/NAME.c` for this machine."""
    return _build(name, NATIVE, "")


def pod_program(name: str) -> Path:
    """The WebAssembly module of `programs/NAME.c`."""
    return _build(name, POD, ".wasm")


def _build(name: str, compiler: tuple[str, ...], suffix: str) -> Path:
    product = PRODUCTS / f"{name}-{_digest(compiler)}{suffix}"
    if product.exists():
        return product
    PRODUCTS.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "ZIG_GLOBAL_CACHE_DIR": str(ZIG_CACHE),
        "ZIG_LOCAL_CACHE_DIR": str(ZIG_CACHE),
    }
    unfinished = product.with_suffix(f".{os.getpid()}.new")  # several processes may build it
    command = [*compiler, str(PROGRAMS / f"{name}.c"), "-o", str(unfinished)]
    subprocess.run(command, env=environment, check=True)
    unfinished.replace(product)
    return product


def _digest(compiler: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join(compiler).encode())
    for source in sorted([*PROGRAMS.glob("*.[ch]"), *INCLUDE.rglob("*.h")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
