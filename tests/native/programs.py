"""Compile the kernel for this machine under a sanitizer, with the drivers that exercise it.

Products are kept under `build/native/` by the digest of what they were made from. Owns how drivers
are built and run; what they check is in the C files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
KERNEL = (ROOT / "vnet" / "fabric", ROOT / "pod_node" / "kernel")
PRODUCTS = ROOT / "build" / "native"

COMPILER = ("cc", "-std=c11", "-O1", "-g", "-fno-omit-frame-pointer", f"-I{ROOT}")
WARNINGS = ("-Wall", "-Wextra", "-Werror")
DISTURBED = ("-finstrument-functions",)
"""The platform yields now and then where the kernel enters or leaves a function."""
COMMON = ("platform", "guest")
DRIVERS = {
    "stress": tuple(sorted(path.stem for path in HERE.glob("stress*.c"))),
    "fuzz": ("fuzz",),
    "units": ("units",),
    "links": ("simulation", *sorted(path.stem for path in HERE.glob("links*.c"))),
    "flows": ("simulation", *sorted(path.stem for path in HERE.glob("flows*.c"))),
}
WRAPPED = {
    "links": ("clock_now", "flow_receive", "flow_timer", "datagram_receive", "echo_receive"),
    "flows": ("clock_now",),
}
"""Functions of the kernel that a driver has in their place: to it, `f` is `__real_f`."""

MOST_RANDOM_BITS = 28
"""With more address randomization than this, older ThreadSanitizer runtimes refuse to start."""


class Sanitizer(Enum):
    """What the compiler adds to watch the program."""

    THREAD = "thread"
    ADDRESS = "address,undefined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a driver ended."""

    command: str
    status: int
    output: str

    def __str__(self) -> str:
        return f"{self.command} ended with status {self.status}\n{self.output}"


class BuildError(Exception):
    """The compiler or the linker refused."""


def built(sanitizer: Sanitizer) -> Path:
    """Return the folder of the drivers, built with `sanitizer` when sources changed."""
    folder = PRODUCTS / f"{sanitizer.name.lower()}-{_digest(sanitizer)}"
    if folder.is_dir():
        return folder
    PRODUCTS.mkdir(parents=True, exist_ok=True)
    with (PRODUCTS / f"{sanitizer.name.lower()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers want the same at the same time
        if not folder.is_dir():
            _replace(folder, sanitizer)
    return folder


def _replace(folder: Path, sanitizer: Sanitizer) -> None:
    for stale in PRODUCTS.glob(f"{sanitizer.name.lower()}-*"):
        shutil.rmtree(stale, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(dir=PRODUCTS, prefix=".building-"))
    try:
        _build(scratch, sanitizer)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run(driver: Path, *arguments: str) -> Run:
    """Run a driver to its end; drivers bound their own time."""
    command = [*launcher(), str(driver), *arguments]
    options = {
        "TSAN_OPTIONS": "halt_on_error=1 history_size=4",
        "ASAN_OPTIONS": "halt_on_error=1 detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1 print_stacktrace=1",
    }
    done = subprocess.run(
        command,
        env=os.environ | options,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    return Run(
        command=" ".join([driver.name, *arguments]), status=done.returncode, output=output[-8000:]
    )


def launcher() -> list[str]:
    """Return the words before a driver's, where the machine's address randomization needs some."""
    try:
        bits = int(Path("/proc/sys/vm/mmap_rnd_bits").read_text(encoding="ascii"))
    except OSError:
        return []
    return ["setarch", "-R"] if bits > MOST_RANDOM_BITS and shutil.which("setarch") else []


def _digest(sanitizer: Sanitizer) -> str:
    digest = hashlib.sha256(
        repr((COMPILER, WARNINGS, DISTURBED, sanitizer, DRIVERS, WRAPPED)).encode()
    )
    for folder in (*KERNEL, HERE):
        for path in sorted(folder.rglob("*.[ch]")):
            digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(folder: Path, sanitizer: Sanitizer) -> None:
    flag = f"-fsanitize={sanitizer.value}"
    kernel = [path for place in KERNEL for path in sorted(place.rglob("*.c"))]
    ours = [HERE / f"{name}.c" for name in {*COMMON, *sum(DRIVERS.values(), ())}]
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_compile, folder, path, (flag, *DISTURBED)) for path in kernel]
        jobs += [pool.submit(_compile, folder, path, (flag,)) for path in ours]
        for job in jobs:
            job.result()
    shared = [*(path.stem for path in kernel), *COMMON]
    for driver, units in DRIVERS.items():
        objects = [str(folder / f"{name}.o") for name in (*shared, *units)]
        wraps = [f"-Wl,--wrap={function}" for function in WRAPPED.get(driver, ())]
        call(["cc", flag, *wraps, *objects, "-lpthread", "-o", str(folder / f"{driver}.program")])
    for driver in DRIVERS:
        (folder / f"{driver}.program").rename(folder / driver)
    for leftover in folder.glob("*.o"):
        leftover.unlink()


def _compile(folder: Path, source: Path, flags: tuple[str, ...]) -> None:
    call([*COMPILER, *WARNINGS, *flags, "-c", str(source), "-o", str(folder / f"{source.stem}.o")])


def call(command: list[str]) -> None:
    """Run a step of a build.

    Raises:
        BuildError: It failed, or its program is not installed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stderr}")
