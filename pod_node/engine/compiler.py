"""The process's engine and its modules: the kernel, the small linking modules, and guests.

Owns the engine's configuration; what of it keys compiled code is `pod_node.fingerprint`'s. What was
compiled once is kept by the image store's compile cache: a node that starts compiles neither kernel
nor linking modules again, which would take longer than all else that it does before its first pod.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import wasmtime

from pod_node.engine.errors import (
    DamagedArtifactError,
    InvalidModuleError,
    KernelMissingError,
)
from pod_node.engine.metering import metered
from pod_node.engine.wasm_code import UnknownCodeError
from pod_node.fingerprint import WASM_STACK_BYTES, fingerprint
from pod_node.images import CacheFolder, CompileCache, ImageError
from pod_node.progress import Reporter


def create_engine() -> wasmtime.Engine:
    """Return the process's engine. There must be one only: types of two engines must not mix."""
    config = wasmtime.Config()
    config.shared_memory = True
    config.wasm_threads = True
    config.wasm_multi_memory = True
    config.wasm_exceptions = True
    config.epoch_interruption = True
    config.max_wasm_stack = WASM_STACK_BYTES
    return wasmtime.Engine(config)


class Compiler:
    """Compiles for one engine."""

    def __init__(self, engine: wasmtime.Engine, cache: CacheFolder | None = None) -> None:
        """Compile for `engine`, and keep the kernel and the linking modules in `cache`."""
        self.engine = engine
        self._texts: dict[str, wasmtime.Module] = {}
        self._kernel: wasmtime.Module | None = None
        self._kept = (
            None if cache is None else CompileCache(cache, self._serialize_own, fingerprint())
        )

    def serialize(self, module: bytes) -> bytes | bytearray:
        """Compile a guest's module to what `load` reads back.

        Raises:
            InvalidModuleError: it is no valid WebAssembly.
        """
        try:
            wasmtime.Module.validate(self.engine, module)  # before anything is added to it
            return self._serialize_own(metered(module))
        except UnknownCodeError as error:
            raise InvalidModuleError(f"{error} is not known to podnet") from error
        except wasmtime.WasmtimeError as error:
            raise InvalidModuleError(str(error).splitlines()[0]) from error

    def _serialize_own(self, module: bytes) -> bytes | bytearray:
        """Compile the kernel or a linking module to what `load` reads back."""
        return wasmtime.Module(self.engine, module).serialize()

    def load(self, artifact: Path) -> wasmtime.Module:
        """Map a compiled module; `artifact` must come from `serialize` of an equal engine.

        Raises:
            DamagedArtifactError: it is gone, or of another engine.
        """
        try:
            return wasmtime.Module.deserialize_file(self.engine, str(artifact))
        except wasmtime.WasmtimeError as error:
            raise DamagedArtifactError(str(artifact), str(error).splitlines()[0]) from error

    def text(self, source: str) -> wasmtime.Module:
        """Compile a module in the text format, once a process."""
        if source not in self._texts:
            self._texts[source] = self._kept_or_new(
                source.encode(), lambda: bytes(wasmtime.wat2wasm(source))
            )
        return self._texts[source]

    def kernel(self) -> wasmtime.Module:
        """Compile the kernel that ships with the package, once a process.

        Raises:
            KernelMissingError: the package was installed without building it.
        """
        if self._kernel is None:
            kernel = files("pod_node") / "kernel" / "kernel.wasm"
            if not kernel.is_file():
                raise KernelMissingError(str(kernel))
            module = kernel.read_bytes()
            self._kernel = self._kept_or_new(module, lambda: module)
        return self._kernel

    def _kept_or_new(self, content: bytes, read: Callable[[], bytes]) -> wasmtime.Module:
        """Find or compile what `content` tells from all else, with or without a usable cache."""
        if self._kept is not None:
            digest = hashlib.sha256(content).hexdigest()
            silent = Reporter("podnet", lambda _: None, time.monotonic)
            try:
                return self.load(self._kept.compiled(digest, read, silent))
            except DamagedArtifactError:
                self._kept.discard(digest)
            except ImageError:
                pass  # whoever needs an image will be told
        return wasmtime.Module(self.engine, read())
