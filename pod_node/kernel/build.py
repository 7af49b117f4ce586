"""Compile the C kernel to `pod_node/kernel/kernel.wasm`; the one place that knows how.

Run as a script by `make kernel` and by the packaging hook: `python pod_node/kernel/build.py`. Needs
`ziglang` in the running interpreter and nothing else of the project. A build whose inputs (sources,
flags, compiler version) have not changed since the last one is skipped. Not shipped in the wheel.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE_DIRECTORIES = ("vnet/fabric", "pod_node/kernel")
PRODUCT = ROOT / "pod_node" / "kernel" / "kernel.wasm"
STAMP = ROOT / "build" / "kernel.stamp"
CACHE = ROOT / "build" / "zig-cache"

INITIAL_MEMORY_BYTES = 64 * 1024 * 1024
"""The engine may ask for more when it creates the fabric; never for less."""
MAX_MEMORY_BYTES = 65_535 * 65_536
"""All but one page of what 32-bit addresses reach: the linker takes no more. How much of it a node
may commit is the engine's choice."""
STACK_BYTES = 65_536
"""The linker's own stack; each kernel instance then gets a slice of the fabric instead."""

FLAGS = (
    "--target=wasm32-freestanding",
    "-mcpu=generic+atomics+bulk_memory",
    "-std=c11",
    "-O2",
    "-flto",  # a byte takes a tenth less time without calls between units
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-Wl,--no-entry",
    "-Wl,--import-memory",
    "-Wl,--shared-memory",
    f"-Wl,--initial-memory={INITIAL_MEMORY_BYTES}",
    f"-Wl,--max-memory={MAX_MEMORY_BYTES}",
    "-Wl,--export=__stack_pointer",
    "-Wl,--export=__heap_base",
    f"-Wl,-z,stack-size={STACK_BYTES}",
)


class KernelBuildError(Exception):
    """The kernel cannot be compiled."""


def main() -> int:
    """Build when needed and say what was done."""
    parser = argparse.ArgumentParser(description="Compile the podnet kernel to WebAssembly.")
    parser.add_argument("--force", action="store_true", help="compile even when nothing changed")
    arguments = parser.parse_args()
    try:
        built = build(force=arguments.force)
    except KernelBuildError as error:
        sys.stderr.write(f"kernel: {error}\n")
        return 1
    state = "built" if built else "up to date"
    sys.stdout.write(f"kernel: {PRODUCT.relative_to(ROOT)} {state}\n")
    return 0


def build(*, force: bool = False) -> bool:
    """Bring the product up to date; return whether the compiler ran.

    Raises:
        KernelBuildError: no sources, no compiler, or the compiler refused them.
    """
    units = _files("*.c")
    if not units:
        places = " or ".join(SOURCE_DIRECTORIES)
        raise KernelBuildError(f"no C sources in {places} below {ROOT}; is the checkout complete?")
    wanted = _fingerprint(units + _files("*.h"))
    if not force and PRODUCT.is_file() and _stamp() == f"{wanted} {_digest(PRODUCT)}":
        return False
    _compile(units)
    STAMP.parent.mkdir(parents=True, exist_ok=True)
    STAMP.write_text(f"{wanted} {_digest(PRODUCT)}", encoding="ascii")
    return True


def _files(pattern: str) -> list[Path]:
    return [path for place in SOURCE_DIRECTORIES for path in sorted((ROOT / place).rglob(pattern))]


def _fingerprint(files: list[Path]) -> str:
    digest = hashlib.sha256(" ".join((_compiler_version(), *FLAGS)).encode())
    for path in files:
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _compiler_version() -> str:
    try:
        return version("ziglang")
    except PackageNotFoundError as error:
        raise KernelBuildError(
            f"the Zig compiler is not installed for {sys.executable}; "
            "run `make kernel`, or pip install the `ziglang` version that pyproject.toml names"
        ) from error


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stamp() -> str:
    return STAMP.read_text(encoding="ascii") if STAMP.is_file() else ""


def _compile(units: list[Path]) -> None:
    environment = os.environ | {
        "ZIG_GLOBAL_CACHE_DIR": str(CACHE),
        "ZIG_LOCAL_CACHE_DIR": str(CACHE),
    }
    with tempfile.TemporaryDirectory(dir=PRODUCT.parent, prefix=".build-") as scratch:
        output = Path(scratch) / PRODUCT.name
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, f"-I{ROOT}"]
        command += [str(unit) for unit in units]
        done = subprocess.run([*command, "-o", str(output)], env=environment, cwd=ROOT, check=False)
        if done.returncode != 0:
            raise KernelBuildError(f"the compiler ended with status {done.returncode}")
        output.replace(PRODUCT)


if __name__ == "__main__":
    sys.exit(main())
