"""Runs a Python image's module in wasmtime and nothing else: the baseline for boots.

A bare run is: a new `Store` with a `WasiConfig` (arguments, standard output, read-only
folders), `Linker.instantiate` of the compiled module and a call of `_start`, in a process that has
done all that before. The engine has wasmtime's default `Config`, apart from the compile cache.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import wasmtime

from pod_node.images import (
    Blueprint,
    BuildStore,
    CacheFolder,
    ModuleStore,
    cache_root,
    find_image,
)
from pod_node.progress import Reporter
from tests.bench.builds import PROGRAMS
from tests.bench.requests import PYTHON


@dataclass(frozen=True, slots=True)
class BareRun:
    """A request: run `python` with these arguments; `/bench` is the folder of programs."""

    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BareFigures:
    """What a bare run took."""

    first_line_s: float
    cpu_s: float


def serve_bare(connection: Connection, image: str = PYTHON) -> None:
    """Answer every `BareRun` with `BareFigures`, from the module of an image."""
    python = _BarePython(image)
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(python.run(request.arguments))


class _BarePython:
    def __init__(self, image: str) -> None:
        config = wasmtime.Config()
        config.cache = True
        self._engine = wasmtime.Engine(config)
        self._linker = wasmtime.Linker(self._engine)
        self._linker.define_wasi()
        cache = CacheFolder(cache_root(os.environ))
        reporter = Reporter(image, lambda _: None, time.monotonic)
        found = find_image(image)
        if isinstance(found, Blueprint):
            manifest = BuildStore(cache).build(found, reporter)
            # What the module of the other image carries itself.
            self._mounts = manifest.mounts[:1]
        else:
            manifest, self._mounts = found, ()
        path = ModuleStore(cache).pull(manifest, reporter)
        self._module = wasmtime.Module.from_file(self._engine, str(path))

    def run(self, arguments: Sequence[str]) -> BareFigures:
        read_end, write_end = os.pipe()
        lines = _FirstLine(read_end)
        cpu_before, begin = time.process_time(), time.perf_counter()
        self._start(arguments, f"/dev/fd/{write_end}")
        cpu_s = time.process_time() - cpu_before
        os.close(write_end)
        return BareFigures(lines.wait() - begin, cpu_s)

    def _start(self, arguments: Sequence[str], output: str) -> None:
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["python", *arguments]
        wasi.stdout_file = output
        wasi.inherit_stderr()
        wasi.preopen_dir(str(PROGRAMS), "/bench", fs_mutable=False)
        for mount in self._mounts:
            wasi.preopen_dir(str(mount.source), mount.target, fs_mutable=False)
        store = wasmtime.Store(self._engine)
        store.set_wasi(wasi)
        start = self._linker.instantiate(store, self._module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        try:
            start(store)
        except wasmtime.ExitTrap as end:
            assert end.code == 0, f"python {arguments!r} ended with {end.code}"


class _FirstLine(threading.Thread):
    """Notes when the first line comes out of a pipe; reads on to the end and closes it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._at = 0.0
        self.start()

    def run(self) -> None:
        with open(self._descriptor, "rb") as pipe:
            pipe.readline()
            self._at = time.perf_counter()
            pipe.read()

    def wait(self) -> float:
        self.join()
        return self._at
