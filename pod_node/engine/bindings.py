"""Every use of wasmtime-py's private API, in one place with tests of its own.

wasmtime-py wraps what most programs need; booting pods by the thousand needs less per call and more
of the C API: instances from prepared import arrays, unchecked calls with a prepared buffer, the
epoch callback, and shared memories as imports (`SharedMemory._as_extern` is broken in 50.0.1). The
wheel is pinned to one version.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

_SHORT = ctypes.PyDLL(str(ffi.filename))


def _short(name: str) -> Callable[..., Any]:
    """Return a C function that is called with the GIL held.

    Linking a guest takes some two hundred calls of about a microsecond. Giving up the GIL in each
    would let other threads in, and each of them costs a switch.
    """
    releasing = getattr(ffi.dll, name)
    function = _SHORT[name]
    function.argtypes = releasing.argtypes
    function.restype = releasing.restype
    return function


_instance_new = _short("wasmtime_instance_new")
_export_nth = _short("wasmtime_instance_export_nth")
_global_set = _short("wasmtime_global_set")
_linker_clone = _short("wasmtime_linker_clone")
_linker_define = _short("wasmtime_linker_define")
_linker_instantiate = _short("wasmtime_linker_instantiate")
_func_call_unchecked = _short("wasmtime_func_call_unchecked")

Extern = ffi.wasmtime_extern_t
ExternArray = ctypes.Array[ffi.wasmtime_extern_t]
Instance = ffi.wasmtime_instance_t


class EngineCallError(Exception):
    """The engine refused or aborted a call; the message is the engine's own."""


class GuestExitError(EngineCallError):
    """The guest called `proc_exit`, with a status that the engine takes: 0 to 125."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"exit status {self.status}"


class GuestTrapError(EngineCallError):
    """The guest trapped."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return self.message


def extern_array(size: int) -> ExternArray:
    """Return room for `size` imports or exports."""
    return (Extern * size)()


def shared_memory_extern(memory: wasmtime.SharedMemory) -> Extern:
    """Return `memory` as an import; valid while `memory` lives."""
    union = ffi.wasmtime_extern_union(sharedmemory=memory.ptr())
    return Extern(ffi.WASMTIME_EXTERN_SHAREDMEMORY, union)


def shared_memory_view(memory: wasmtime.SharedMemory) -> memoryview:
    """Return the bytes of `memory`; they stay in place because it never grows."""
    length = memory.data_len()
    address = ctypes.cast(memory.data_ptr(), ctypes.c_void_p).value
    assert address is not None
    return memoryview((ctypes.c_ubyte * length).from_address(address)).cast("B")


def instantiate(
    store: wasmtime.Store,
    module: wasmtime.Module,
    imports: ExternArray | None,
    *,
    foreign: bool = False,
) -> Instance:
    """Instantiate `module` with imports in the module's own order.

    The GIL is given up for a module that is `foreign`: its start function may run for ever.
    """
    instance_new = ffi.wasmtime_instance_new if foreign else _instance_new
    instance = ffi.wasmtime_instance_t()
    trap = ctypes.POINTER(ffi.wasm_trap_t)()
    error = instance_new(
        store._context(),
        module.ptr(),
        imports,
        len(imports) if imports is not None else 0,
        ctypes.byref(instance),
        ctypes.byref(trap),
    )
    _check(error, trap)
    return instance


def read_exports(
    store: wasmtime.Store,
    instance: Instance,
    indices: Sequence[int],
    into: ExternArray,
    start: int = 0,
) -> None:
    """Copy the exports at `indices` (the module's order) into `into` from `start` on."""
    context = store._context()
    instance_ref = ctypes.byref(instance)
    name = ctypes.POINTER(ctypes.c_char)()
    length = ctypes.c_size_t(0)
    name_ref, length_ref = ctypes.byref(name), ctypes.byref(length)
    for offset, index in enumerate(indices, start):
        found = _export_nth(
            context,
            instance_ref,
            index,
            name_ref,
            length_ref,
            ctypes.byref(into[offset]),
        )
        assert found, f"export {index} is missing"


def export_named(store: wasmtime.Store, instance: Instance, name: str) -> Extern:
    """Return one export by its name."""
    extern = Extern()
    encoded = name.encode()
    found = ffi.wasmtime_instance_export_get(
        store._context(), ctypes.byref(instance), encoded, len(encoded), ctypes.byref(extern)
    )
    assert found, f"export {name} is missing"
    return extern


def set_global_i32(store: wasmtime.Store, extern: Extern, value: int) -> None:
    """Set a mutable 32-bit global."""
    raw = ffi.wasmtime_val_t()
    raw.kind = ffi.WASMTIME_I32
    raw.of.i32 = ctypes.c_int32(value).value
    error = _global_set(store._context(), ctypes.byref(extern.of.global_), ctypes.byref(raw))
    _check(error, None)


def set_global_i64(store: wasmtime.Store, extern: Extern, value: int) -> None:
    """Set a mutable 64-bit global."""
    raw = ffi.wasmtime_val_t()
    raw.kind = ffi.WASMTIME_I64
    raw.of.i64 = value
    error = _global_set(store._context(), ctypes.byref(extern.of.global_), ctypes.byref(raw))
    _check(error, None)


def get_global_i32(store: wasmtime.Store, extern: Extern) -> int:
    """Return a 32-bit global as an unsigned number."""
    raw = ffi.wasmtime_val_t()
    ffi.wasmtime_global_get(store._context(), ctypes.byref(extern.of.global_), ctypes.byref(raw))
    return int(raw.of.i32) & 0xFFFFFFFF


class UncheckedFunction:
    """A function called through a prepared buffer: arguments in, one result out.

    Types are not checked: the caller must know the function's. Not reentrant. The GIL is held
    during a `short` function, which may wait for nothing: not even for a lock.
    """

    __slots__ = ("_buffer", "_call", "_context", "_function", "_size", "_store", "_trap")

    def __init__(
        self, store: wasmtime.Store, extern: Extern, size: int, *, short: bool = False
    ) -> None:
        self._call = _func_call_unchecked if short else ffi.wasmtime_func_call_unchecked
        self._store = store  # the function lives in it
        self._context = store._context()
        self._function = extern.of.func
        self._size = max(size, 1)
        self._buffer = (ffi.wasmtime_val_raw_t * self._size)()
        self._trap = ctypes.POINTER(ffi.wasm_trap_t)()

    def call(self, *arguments: int) -> int:
        """Call with integers of 32 or 64 bits; return the first result, signed, of 64 bits."""
        buffer = self._buffer
        for index, argument in enumerate(arguments):
            buffer[index].i64 = argument
        error = self._call(
            self._context,
            ctypes.byref(self._function),
            buffer,
            self._size,
            ctypes.byref(self._trap),
        )
        if error or self._trap:  # type: ignore[truthy-bool]  # ctypes: a NULL pointer is false
            trap, self._trap = self._trap, ctypes.POINTER(ffi.wasm_trap_t)()
            _check(error, trap)
        return int(buffer[0].i64)

    def call_i32(self, *arguments: int) -> int:
        """As `call`, for functions with a 32-bit result."""
        self.call(*arguments)
        return int(self._buffer[0].i32)


def run_start(store: wasmtime.Store, extern: Extern) -> None:
    """Run a guest's `_start` on this thread, without the GIL, until it returns.

    Raises:
        GuestExitError: it called `proc_exit`.
        GuestTrapError: it trapped.
    """
    trap = ctypes.POINTER(ffi.wasm_trap_t)()
    error = ffi.wasmtime_func_call(
        store._context(), ctypes.byref(extern.of.func), None, 0, None, 0, ctypes.byref(trap)
    )
    _check(error, trap)


def clone_linker(linker: wasmtime.Linker, engine: wasmtime.Engine) -> wasmtime.Linker:
    """Return a linker with the same definitions, for one store's additions."""
    clone: wasmtime.Linker = wasmtime.Linker.__new__(wasmtime.Linker)
    clone._set_ptr(_linker_clone(linker.ptr()))
    clone.engine = engine
    return clone


def define(
    linker: wasmtime.Linker, store: wasmtime.Store, module: str, name: str, extern: Extern
) -> None:
    """Define one import."""
    module_bytes, name_bytes = module.encode(), name.encode()
    error = _linker_define(
        linker.ptr(),
        store._context(),
        module_bytes,
        len(module_bytes),
        name_bytes,
        len(name_bytes),
        ctypes.byref(extern),
    )
    _check(error, None)


def link(linker: wasmtime.Linker, store: wasmtime.Store, module: wasmtime.Module) -> Instance:
    """Instantiate `module`, its imports found in `linker` by name."""
    instance = ffi.wasmtime_instance_t()
    trap = ctypes.POINTER(ffi.wasm_trap_t)()
    error = _linker_instantiate(
        linker.ptr(), store._context(), module.ptr(), ctypes.byref(instance), ctypes.byref(trap)
    )
    _check(error, trap)
    return instance


_EPOCH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.POINTER(ffi.wasmtime_context_t),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ffi.wasmtime_update_deadline_kind_t),
)
_NO_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(0)
_CONTINUE = 0


def epoch_callback(ask: Callable[[int], int]) -> object:
    """Return a C callback for `watch_epoch`; keep it alive as long as any store uses it.

    `ask(token)` runs on the guest's thread when it is due and says after how many changes of the
    epoch it is asked again, or 0 when that guest shall end now. It must not raise and must not
    touch the store.
    """

    def callback(
        _context: object,
        token: int | None,
        delta: ctypes._Pointer[ctypes.c_uint64],
        kind: ctypes._Pointer[ctypes.c_uint8],
    ) -> int:
        kind[0] = _CONTINUE
        delta[0] = ticks = ask(token or 0)
        if ticks:
            return 0
        message = b"killed"
        error = ffi.wasmtime_error_new(ctypes.create_string_buffer(message))
        return ctypes.cast(error, ctypes.c_void_p).value or 0

    return _EPOCH_CALLBACK(callback)


def watch_epoch(store: wasmtime.Store, callback: object, token: int) -> None:
    """Have `callback` asked with `token` at the engine's next change of the epoch."""
    ffi.wasmtime_store_epoch_deadline_callback(
        store.ptr(), callback, ctypes.c_void_p(token), _NO_FINALIZER
    )
    ffi.wasmtime_context_set_epoch_deadline(store._context(), 1)


def _check(error: ctypes._Pointer[Any] | None, trap: ctypes._Pointer[Any] | None) -> None:
    if error:
        _raise_error(error)
    if trap:
        wrapped = wasmtime.Trap._from_ptr(trap)
        code = wrapped.trap_code
        raise GuestTrapError(wrapped.message, code.name if code else "")


def _raise_error(error: ctypes._Pointer[Any]) -> None:
    status = ctypes.c_int(0)
    if ffi.wasmtime_error_exit_status(error, ctypes.byref(status)):
        ffi.wasmtime_error_delete(error)
        raise GuestExitError(status.value)
    raise EngineCallError(str(wasmtime.WasmtimeError._from_ptr(error)))
