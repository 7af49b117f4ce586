"""A module made ready to boot many times: its linking modules and index maps, prepared once.

Owns the order of linking. Booting is then a handful of calls that copy arrays of imports.
"""

from __future__ import annotations

import os

import wasmtime

from pod_node.engine import bindings, clocks, modules
from pod_node.engine.bindings import Extern, ExternArray, Instance
from pod_node.engine.compiler import Compiler
from pod_node.engine.errors import UnsupportedModuleError
from pod_node.engine.fabric import (
    Fabric,
    fill_kernel_imports,
    function_imports,
    is_internal,
    signature_of,
)
from pod_node.engine.metering import HOOK, HOOKS
from pod_node.engine.modules import WASI, Function, Signature

NATIVE = {
    "args_get": Signature(("i32", "i32"), ("i32",)),
    "args_sizes_get": Signature(("i32", "i32"), ("i32",)),
    "clock_res_get": Signature(("i32", "i32"), ("i32",)),
    "environ_get": Signature(("i32", "i32"), ("i32",)),
    "environ_sizes_get": Signature(("i32", "i32"), ("i32",)),
    "proc_exit": Signature(("i32",), ()),
    "random_get": Signature(("i32", "i32"), ("i32",)),
}
"""WASI functions that the kernel leaves to the engine."""


class Program:
    """A guest module with everything that its instances share."""

    def __init__(
        self, fabric: Fabric, compiler: Compiler, module: wasmtime.Module, image: str
    ) -> None:
        """Prepare `module`.

        Raises:
            UnsupportedModuleError: it imports what a pod does not have, or exports no `_start` or
                memory that a pod can use.
        """
        self._fabric = fabric
        self.module = module
        self._image = image
        imports = self._checked_imports()
        exports = {export.name: index for index, export in enumerate(module.exports)}
        self._memory_index = self._export(exports, "memory", wasmtime.MemoryType)
        self._start_index = self._export(exports, "_start", wasmtime.FuncType)
        self._hook_index = self._export(exports, HOOK, wasmtime.TableType)
        self._check_exports()
        self._prepare(imports, compiler)

    def _checked_imports(self) -> list[Function]:
        known = NATIVE | {
            export.name: signature_of(export.type)
            for export in self._fabric.kernel.exports
            if isinstance(export.type, wasmtime.FuncType) and not is_internal(export.name)
        }
        for item in self.module.imports:
            expected = known.get(item.name or "") if item.module == WASI else None
            if not isinstance(item.type, wasmtime.FuncType) or expected is None:
                raise self._unsupported(
                    f'the module imports "{item.module}" "{item.name}", which pods do not have'
                )
            actual = signature_of(item.type)
            if actual != expected:
                raise self._unsupported(
                    f'the module imports "{item.name}" as {actual.text() or "()"}, '
                    f"and pods have it as {expected.text()}"
                )
        return function_imports(self.module)

    def _export(self, exports: dict[str, int], name: str, kind: type) -> int:
        index = exports.get(name)
        if index is None or not isinstance(self.module.exports[index].type, kind):
            raise UnsupportedModuleError(
                self._image,
                f'the module exports no "{name}"; build it as a command for wasm32-wasi, '
                "not as a library",
            )
        return index

    def _check_exports(self) -> None:
        memory = self.module.exports[self._memory_index].type
        assert isinstance(memory, wasmtime.MemoryType)
        if memory.is_shared or memory.is_64:
            kind = "shared" if memory.is_shared else "64-bit"
            raise self._unsupported(f"the module's memory is {kind}, which pods do not have")
        self.memory_minimum = memory.limits.min * memory.page_size
        hook = self.module.exports[self._hook_index].type
        assert isinstance(hook, wasmtime.TableType)
        self.table_elements = (hook.limits.max or HOOKS) - HOOKS
        start = self.module.exports[self._start_index].type
        assert isinstance(start, wasmtime.FuncType)
        if signature_of(start) != Signature((), ()):
            raise self._unsupported('the module\'s "_start" takes arguments or gives a result')

    def _unsupported(self, reason: str) -> UnsupportedModuleError:
        return UnsupportedModuleError(
            self._image, f"{reason}; build it for wasm32-wasi (preview 1)"
        )

    def _prepare(self, imports: list[Function], compiler: Compiler) -> None:
        fabric = self._fabric
        kernel_exports = {export.name: i for i, export in enumerate(fabric.kernel.exports)}
        natives = [function for function in imports if function.name in NATIVE]
        self._import_count = len(imports)
        self._shim = compiler.text(modules.shim(imports))
        self._glue = compiler.text(modules.glue(fabric.kernel_imports, natives))
        self._fixup = compiler.text(modules.fixup(imports))
        self._status = len(fabric.kernel_imports) + len(natives)
        native_at = {
            function.name: len(fabric.kernel_imports) + i for i, function in enumerate(natives)
        }
        self._from_glue = [
            (slot, native_at[f.name]) for slot, f in enumerate(imports) if f.name in native_at
        ]
        self._from_kernel = [
            (slot, kernel_exports[f.name])
            for slot, f in enumerate(imports)
            if f.name in kernel_exports
        ]
        self._growth = [kernel_exports[name] for name in ("host_grow_pages", "host_grow_elements")]
        self._stack_pointer = kernel_exports["__stack_pointer"]
        self._on_thread = [
            kernel_exports[name] for name in ("host_thread_started", "host_thread_open")
        ]
        self._linker = wasmtime.Linker(fabric.engine)
        self._linker.define_wasi()
        fabric.define_memories(self._linker, fabric.control.store)  # they belong to no store

    def link(self, store: wasmtime.Store, stack_top: int) -> LinkedGuest:
        """Link one guest in `store`, on the kernel stack that ends at `stack_top`."""
        fabric, count = self._fabric, self._import_count
        shim = bindings.instantiate(store, self._shim, None)
        imports = bindings.extern_array(count)
        bindings.read_exports(store, shim, range(1, count + 1), imports)
        guest = bindings.instantiate(store, self.module, imports, foreign=True)
        exports = bindings.extern_array(3)
        indices = (self._memory_index, self._start_index, self._hook_index)
        bindings.read_exports(store, guest, indices, exports)

        linker = bindings.clone_linker(self._linker, fabric.engine)
        bindings.define(linker, store, "guest", "memory", exports[0])
        glue = bindings.link(linker, store, self._glue)
        origin = bindings.extern_array(1)
        bindings.read_exports(store, glue, (0,), origin)
        glue_exports = bindings.extern_array(self._status + 1)
        bindings.read_exports(store, glue, range(1, self._status + 2), glue_exports)
        clocks.align(store, glue_exports[fabric.clock_now_slot], origin[0])

        kernel_imports = bindings.extern_array(len(fabric.kernel_function_slots) + 1)
        functions = glue_exports[: len(fabric.kernel_imports)]
        fill_kernel_imports(fabric, kernel_imports, functions)
        kernel = bindings.instantiate(store, fabric.kernel, kernel_imports)

        wanted = [index for _, index in self._from_kernel]
        wanted += [*self._growth, self._stack_pointer, *self._on_thread]
        kernel_exports = bindings.extern_array(len(wanted))
        bindings.read_exports(store, kernel, wanted, kernel_exports)
        bindings.set_global_i32(store, kernel_exports[len(wanted) - 3], stack_top)
        self._fill_tables(store, (shim, exports[2]), glue_exports, kernel_exports)
        started, opening = kernel_exports[-2], kernel_exports[-1]
        return LinkedGuest(store, exports, started, opening, glue_exports[self._status])

    def _fill_tables(
        self,
        store: wasmtime.Store,
        tables: tuple[Instance, Extern],
        glue: ExternArray,
        kernel: ExternArray,
    ) -> None:
        count, (shim, hook) = self._import_count, tables
        fixup_imports = bindings.extern_array(count + HOOKS + 2)
        for slot, index in self._from_glue:
            fixup_imports[slot] = glue[index]
        for position, (slot, _) in enumerate(self._from_kernel):
            fixup_imports[slot] = kernel[position]
        for index in range(HOOKS):
            fixup_imports[count + index] = kernel[len(self._from_kernel) + index]
        bindings.read_exports(store, shim, (0,), fixup_imports, count + HOOKS)
        fixup_imports[count + HOOKS + 1] = hook
        bindings.instantiate(store, self._fixup, fixup_imports)


class LinkedGuest:
    """A guest that is ready to run, on one thread, once."""

    __slots__ = ("_exports", "_opening", "_started", "_status", "_store")

    def __init__(
        self,
        store: wasmtime.Store,
        exports: ExternArray,
        started: Extern,
        opening: Extern,
        status: Extern,
    ) -> None:
        self._store = store
        self._exports = exports
        self._started = bindings.UncheckedFunction(store, started, 1, short=True)
        self._opening = opening
        self._status = status

    def run(self, thread: int) -> None:
        """Run `_start` to its end; `thread` is the kernel's record of this thread.

        Raises:
            OSError: what the process has inherited cannot be opened.
            GuestExitError, GuestTrapError, EngineCallError: the guest did not simply return.
        """
        if self._started.call_i32(thread):
            self._open_inherited(thread)
        bindings.run_start(self._store, self._exports[1])

    def _open_inherited(self, thread: int) -> None:
        opening = bindings.UncheckedFunction(self._store, self._opening, 1)
        error = -opening.call_i32(thread)
        if error:
            raise OSError(error, os.strerror(error))

    def exit_status(self) -> int:
        """Return what the guest gave to `proc_exit`."""
        return bindings.get_global_i32(self._store, self._status)
