"""Run a module once on the engine's own WASI, without kernel, fabric or network.

For the node's own chores, such as compiling an image's Python files with the image's own
interpreter.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import wasmtime

from pod_node.engine import bindings
from pod_node.engine.compiler import Compiler
from pod_node.fingerprint import fingerprint
from pod_node.images import CacheFolder, ImageLibrary
from pod_node.spec import Mount

_NO_EPOCHS = 1 << 62
_TRAP_STATUS = 134


class GuestRunner:
    """Runs modules to their end on the calling thread."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler

    def __call__(
        self, artifact: Path, argv: Sequence[str], mounts: Sequence[Mount]
    ) -> tuple[int, str]:
        """Run a compiled module; return its exit status and all that it printed."""
        module = self._compiler.load(artifact)
        with tempfile.NamedTemporaryFile(prefix="podnet-") as output:
            status = self._run(module, argv, mounts, output.name)
            return status, output.read().decode("utf-8", "replace")

    def _run(
        self, module: wasmtime.Module, argv: Sequence[str], mounts: Sequence[Mount], output: str
    ) -> int:
        wasi = wasmtime.WasiConfig()
        wasi.argv = list(argv)
        wasi.stdout_file = output
        wasi.stderr_file = output
        for mount in mounts:
            wasi.preopen_dir(str(mount.source), mount.target, not mount.read_only)
        engine = self._compiler.engine
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        with wasmtime.Store(engine) as store:
            store.set_epoch_deadline(_NO_EPOCHS)
            store.set_wasi(wasi)
            instance = bindings.link(linker, store, module)
            start = bindings.export_named(store, instance, "_start")
            try:
                bindings.run_start(store, start)
            except bindings.GuestExitError as error:
                return error.status
            except bindings.EngineCallError:
                return _TRAP_STATUS
        return 0


def create_library(compiler: Compiler, cache: CacheFolder) -> ImageLibrary:
    """Return the image library whose modules are compiled by, and run on, this engine."""
    return ImageLibrary(cache, compiler.serialize, fingerprint(), GuestRunner(compiler))
