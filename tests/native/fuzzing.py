"""`python -m tests.native.fuzzing [SECONDS]`: a search for inputs that break the kernel.

Guided by coverage: the driver `fuzz.c` with clang's libFuzzer and both sanitizers, in a process
that begins anew after each finding. Inputs that reached new code are kept in `build/fuzz/corpus/`,
findings beside it; `build/native/address-*/fuzz FILE` repeats one. Ends with status 1 when
something was found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.native import programs

PRODUCTS = programs.ROOT / "build" / "fuzz"
DEFAULT_SECONDS = 300
INPUT_MOST_BYTES = 4096

_SANITIZERS = "address,undefined"
_COMPILER = ("clang", *programs.COMPILER[1:], *programs.WARNINGS, "-DLIBFUZZER")
_LIBRARIES = ("-lpthread", "-lm")


def main() -> int:
    """Build, search, and say what was found."""
    parser = argparse.ArgumentParser(prog="tests.native.fuzzing", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=int, default=DEFAULT_SECONDS)
    seconds = parser.parse_args().seconds
    corpus, findings = PRODUCTS / "corpus", PRODUCTS / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        fuzzer = _built()
    except programs.BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    known = set(findings.iterdir())
    _search(fuzzer, corpus, findings, seconds)
    new = sorted(set(findings.iterdir()) - known)
    for path in new:
        sys.stdout.write(f"found: {path.relative_to(programs.ROOT)}\n")
    return 1 if new else 0


def _built() -> Path:
    objects = PRODUCTS / "objects"
    objects.mkdir(exist_ok=True)
    kernel = [path for place in programs.KERNEL for path in sorted(place.rglob("*.c"))]
    ours = [programs.HERE / f"{name}.c" for name in (*programs.COMMON, "fuzz")]
    flags = (f"-fsanitize=fuzzer-no-link,{_SANITIZERS}", "-fno-sanitize-recover=all")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        made = list(pool.map(lambda path: _compiled(path, flags, objects), [*kernel, *ours]))
    fuzzer = PRODUCTS / "fuzzer"
    link = ("clang", f"-fsanitize=fuzzer,{_SANITIZERS}", *map(str, made), *_LIBRARIES)
    programs.call([*link, "-o", str(fuzzer)])
    return fuzzer


def _compiled(source: Path, flags: tuple[str, ...], folder: Path) -> Path:
    product = folder / f"{source.stem}.o"
    programs.call([*_COMPILER, *flags, "-c", str(source), "-o", str(product)])
    return product


def _search(fuzzer: Path, corpus: Path, findings: Path, seconds: int) -> None:
    """libFuzzer's own words go to the terminal."""
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_MOST_BYTES}",
        f"-artifact_prefix={findings}/",
        "-fork=1",
        "-ignore_crashes=1",
    )
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
    command = [*programs.launcher(), str(fuzzer), str(corpus), *options]
    subprocess.run(command, env=environment, check=False)


if __name__ == "__main__":
    sys.exit(main())
