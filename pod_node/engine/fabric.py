"""The node's fabric: the shared memory, and the kernel calls that the node makes for itself.

Owns one wasmtime engine and one shared memory a process, and the control instance of the kernel.
Everything here runs on one thread, the node's event loop; the doorbell thread has an instance of
its own.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address

import wasmtime

from pod_node.engine import bindings, clocks, modules, parking
from pod_node.engine.bindings import Extern, ExternArray, Instance
from pod_node.engine.compiler import Compiler
from pod_node.engine.modules import Function, Signature
from pod_node.engine.timers import wake_promptly

DEFAULT_FABRIC_BYTES = 1 << 30
"""Virtual until used: every pod's streams, descriptors and kernel stacks together stay below
this."""
LEAST_FABRIC_BYTES = 64 << 20
WASM_PAGE = 65_536

STACK_RESERVE = 16
"""A stack pointer stays below the end of its slice, so that masking it finds the thread record."""

(
    _LAYOUT_STAGING,
    _LAYOUT_STAGING_SIZE,
    _LAYOUT_STACK_TOP,
    _LAYOUT_IN_KERNEL,
    _LAYOUT_KILLED,
    _LAYOUT_STACK_SIZE,
    _,  # the size of a process request, which only the native tests ask for
    _LAYOUT_REPLY_OFFSET,
    _LAYOUT_PAUSED,
) = range(9)
_POLL_READ, _POLL_WRITE, _POLL_HANGUP = 1, 2, 4
_SHUT_WRITE = 2
_DOORBELL_BATCH = 4096
_SENDER = struct.Struct("<2I")


def function_imports(module: wasmtime.Module) -> list[Function]:
    """Return the functions that `module` imports, in its order."""
    return [
        Function(item.name or "", signature_of(item.type))
        for item in module.imports
        if isinstance(item.type, wasmtime.FuncType)
    ]


def signature_of(kind: wasmtime.FuncType) -> Signature:
    """Return a function type as text."""
    return Signature(
        tuple(str(parameter) for parameter in kind.params),
        tuple(str(result) for result in kind.results),
    )


def is_internal(export: str) -> bool:
    """Tell the kernel's exports for the node itself from those for guests."""
    return export.startswith(("host_", "__"))


class KernelInstance:
    """One instance of the kernel on the node's side, used by one thread at a time."""

    def __init__(self, fabric: Fabric, stack_top: int | None = None) -> None:
        engine = fabric.engine
        self.store = wasmtime.Store(engine)
        self.store.set_wasi(wasmtime.WasiConfig())
        self.store.set_epoch_deadline(1 << 62)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        fabric.define_memories(linker, self.store)
        glue = bindings.link(linker, self.store, fabric.host_glue)
        self._functions: dict[str, bindings.UncheckedFunction] = {}
        self._exports = instantiate_kernel(fabric, self.store, glue)
        if stack_top is not None:
            self.set_stack(stack_top)

    def set_stack(self, top: int) -> None:
        """Run on a kernel stack of one's own."""
        bindings.set_global_i32(self.store, self._exports["__stack_pointer"], top)

    def global_value(self, name: str) -> int:
        """Return an exported 32-bit global."""
        return bindings.get_global_i32(self.store, self._exports[name])

    def function(self, name: str, parameters: int) -> bindings.UncheckedFunction:
        """Return an exported function with that many parameters.

        It is called without the GIL: it may wait for a lock whose holder, a guest inside the
        kernel, is in the epoch callback and waits for the GIL.
        """
        if name not in self._functions:
            self._functions[name] = bindings.UncheckedFunction(
                self.store, self._exports[name], parameters
            )
        return self._functions[name]

    def call(self, name: str, *arguments: int) -> int:
        """Call a kernel function with a 32-bit result; negative results are errnos."""
        return self.function(name, len(arguments)).call_i32(*arguments)


def instantiate_kernel(fabric: Fabric, store: wasmtime.Store, glue: Instance) -> dict[str, Extern]:
    """Instantiate the kernel over `glue` and return all its exports by name."""
    imports = bindings.extern_array(len(fabric.kernel.imports))
    count = len(fabric.kernel_imports)
    origin = bindings.extern_array(1)
    bindings.read_exports(store, glue, (0,), origin)
    functions = bindings.extern_array(count)
    bindings.read_exports(store, glue, range(1, count + 1), functions)
    clocks.align(store, functions[fabric.clock_now_slot], origin[0])
    fill_kernel_imports(fabric, imports, functions)
    instance = bindings.instantiate(store, fabric.kernel, imports)
    names = [export.name for export in fabric.kernel.exports]
    exports = bindings.extern_array(len(names))
    bindings.read_exports(store, instance, range(len(names)), exports)
    return dict(zip(names, exports, strict=True))


def fill_kernel_imports(fabric: Fabric, imports: ExternArray, functions: Iterable[Extern]) -> None:
    """Put the glue's functions and the fabric where the kernel expects them."""
    for index, function in zip(fabric.kernel_function_slots, functions, strict=True):
        imports[index] = function
    imports[fabric.kernel_memory_slot] = fabric.memory_extern


class Fabric:
    """The shared memory with a booted kernel in it, and the node's calls into the kernel."""

    def __init__(
        self,
        compiler: Compiler,
        *,
        size_bytes: int = DEFAULT_FABRIC_BYTES,
        cores: int | None = None,
    ) -> None:
        """Create the memory and boot the kernel in it.

        Args:
            compiler: compiles and caches modules for the process's engine.
            size_bytes: all that pods' sockets, pipes and kernel stacks may take together.
            cores: how many threads may spin at once; the machine's cores when None.
        """
        self.engine = compiler.engine
        self.kernel = compiler.kernel()
        self.kernel_imports = function_imports(self.kernel)
        self.clock_now_slot = [item.name for item in self.kernel_imports].index("clock_now")
        self.kernel_function_slots, self.kernel_memory_slot = self._import_slots()
        self.host_glue = compiler.text(modules.host_glue(self.kernel_imports))
        pages = max(size_bytes, LEAST_FABRIC_BYTES) // WASM_PAGE
        limits = wasmtime.Limits(pages, pages)
        self.memory = wasmtime.SharedMemory(self.engine, wasmtime.MemoryType(limits, shared=True))
        self.memory_extern = bindings.shared_memory_extern(self.memory)
        self._parks = self._park_memories()
        self.view = bindings.shared_memory_view(self.memory)
        self.control = KernelInstance(self)
        self._boot(pages * WASM_PAGE, cores or os.cpu_count() or 1)
        self._doorbell: threading.Thread | None = None
        self._pacer: threading.Thread | None = None

    def _park_memories(self) -> list[wasmtime.SharedMemory]:
        kind = wasmtime.MemoryType(wasmtime.Limits(1, 1), shared=True)
        return [wasmtime.SharedMemory(self.engine, kind) for _ in range(parking.SHARDS)]

    def define_memories(self, linker: wasmtime.Linker, store: wasmtime.Store) -> None:
        """Define the shared memories that every glue imports."""
        bindings.define(linker, store, "fabric", "memory", self.memory_extern)
        for shard, memory in enumerate(self._parks):
            extern = bindings.shared_memory_extern(memory)
            bindings.define(linker, store, "park", str(shard), extern)

    def _import_slots(self) -> tuple[list[int], int]:
        functions, memory = [], -1
        for index, item in enumerate(self.kernel.imports):
            if isinstance(item.type, wasmtime.FuncType):
                functions.append(index)
            else:
                memory = index
        return functions, memory

    def _boot(self, size: int, cores: int) -> None:
        heap = self.control.global_value("__heap_base")
        result = self.control.call("host_boot", heap, size - heap, cores)
        if result < 0:
            raise OSError(-result, "the fabric is too small for the kernel")
        self.control.set_stack(self._layout(_LAYOUT_STACK_TOP))
        self.staging = self._layout(_LAYOUT_STAGING)
        self.staging_size = self._layout(_LAYOUT_STAGING_SIZE)
        self.in_kernel_offset = self._layout(_LAYOUT_IN_KERNEL)
        self.killed_offset = self._layout(_LAYOUT_KILLED)
        self.paused_offset = self._layout(_LAYOUT_PAUSED)
        self.stack_size = self._layout(_LAYOUT_STACK_SIZE)
        self.reply_offset = self._layout(_LAYOUT_REPLY_OFFSET)

    def _layout(self, what: int) -> int:
        return self.control.call("host_layout", what) & 0xFFFFFFFF

    def call(self, name: str, *arguments: int) -> int:
        """Call a kernel function on the control instance; negative results become `OSError`."""
        return _checked(self.control.call(name, *arguments))

    def try_call(self, name: str, *arguments: int) -> int:
        """As `call`, with errors returned as negative errnos."""
        return self.control.call(name, *arguments)

    def read(self, descriptor: int, size: int) -> bytes | None:
        """Take up to `size` bytes from one of the host's descriptors; None when it would block."""
        count = self.try_call("host_read", descriptor, self.staging, min(size, self.staging_size))
        if count == -errno.EAGAIN:
            return None
        return bytes(self.view[self.staging : self.staging + _checked(count)])

    def write(self, descriptor: int, data: bytes | memoryview) -> int | None:
        """Give bytes to one of the host's descriptors.

        Returns how many were taken, None when it would block.
        """
        size = min(len(data), self.staging_size)
        self.view[self.staging : self.staging + size] = data[:size]
        count = self.try_call("host_write", descriptor, self.staging, size)
        return None if count == -errno.EAGAIN else _checked(count)

    def endpoint(self, descriptor: int, *, remote: bool) -> tuple[str, int]:
        """Return the local or remote address and port of one of the host's sockets."""
        packed = self.control.function("host_endpoint", 2).call(descriptor, int(remote))
        return str(IPv4Address(packed >> 16 & 0xFFFFFFFF)), packed & 0xFFFF

    def name_network(self, network: int, name: str) -> None:
        """Say what a network is called, which pods read."""
        encoded = name.encode() + b"\0"
        self.view[self.staging : self.staging + len(encoded)] = encoded
        self.control.call("host_name_network", network, self.staging)

    def publish(self, network: int, name: str, addresses: Sequence[IPv4Address]) -> None:
        """Make `name` lead to `addresses` on a network; none at all removes it."""
        encoded = name.encode() + b"\0"
        packed = struct.pack(f"<{len(addresses)}I", *(int(address) for address in addresses))
        table = self.staging + (len(encoded) + 3 & ~3)
        self.view[self.staging : self.staging + len(encoded)] = encoded
        self.view[table : table + len(packed)] = packed
        self.call("host_publish", network, self.staging, table, len(addresses))

    def statistics(self) -> tuple[int, int, int]:
        """Return the fabric's size in bytes, the bytes in use, and the open sockets."""
        self.control.call("host_statistics", self.staging)
        total, used, sockets = struct.unpack_from("<QQI", self.view, self.staging)
        return total, used, sockets

    def ring(self, deliver: Callable[[list[int]], None]) -> None:
        """Start the doorbell: a thread that waits in the kernel for watches that fired.

        `deliver` is called on that thread with a batch of tokens.
        """
        instance = self._thread_instance()
        tokens = self.call("host_token_buffer", _DOORBELL_BATCH)

        host_wait = instance.function("host_wait", 2)

        def wait() -> None:
            while (count := host_wait.call_i32(tokens, _DOORBELL_BATCH)) >= 0:
                deliver(list(struct.unpack_from(f"<{count}I", self.view, tokens)))

        self._doorbell = threading.Thread(target=wait, name="podnet-doorbell", daemon=True)
        self._doorbell.start()

    def pace(self) -> None:
        """Start the pacer: the thread that moves packets along links when their time has come."""
        run = self._thread_instance().function("host_pacer", 0)

        def pace() -> None:
            wake_promptly()
            run.call()

        self._pacer = threading.Thread(target=pace, name="podnet-pacer", daemon=True)
        self._pacer.start()

    def _thread_instance(self) -> KernelInstance:
        record = self.call("host_thread")
        return KernelInstance(self, record + self.stack_size - STACK_RESERVE)

    def stop(self) -> None:
        """Stop the doorbell and the pacer. Guests must have ended."""
        if self._pacer is not None:
            self.control.call("host_pacer_stop")
            self._pacer.join()
            self._pacer = None
        if self._doorbell is not None:
            self.control.call("host_stop")
            self._doorbell.join()
            self._doorbell = None

    def connect(self, ipv4: int, port: int) -> int:
        """Start a connection; watch it for writing, then ask `error`."""
        return self.call("host_connect", ipv4, port)

    def listen(self, ipv4: int, port: int, backlog: int) -> int:
        """Open a listener; port 0 takes an ephemeral one."""
        return self.call("host_listen", ipv4, port, backlog)

    def await_port(self, ipv4: int, port: int) -> int:
        """A descriptor that is readable when a program listens on a port of a pod."""
        return self.call("host_await_port", ipv4, port)

    def accept(self, descriptor: int) -> int | None:
        """Take the next connection; None when there is none."""
        accepted = self.try_call("host_accept", descriptor)
        return None if accepted == -errno.EAGAIN else _checked(accepted)

    def bind_datagrams(self, ipv4: int, port: int) -> int:
        """Open a datagram socket; port 0 takes an ephemeral one."""
        return self.call("host_datagram_bind", ipv4, port)

    def receive_from(self, descriptor: int) -> tuple[bytes, tuple[str, int]] | None:
        """Take the next datagram and its sender's address and port; None when there is none."""
        start = self.staging + _SENDER.size
        room = self.staging_size - _SENDER.size
        count = self.try_call("host_datagram_receive", descriptor, start, room, self.staging)
        if count == -errno.EAGAIN:
            return None
        data = bytes(self.view[start : start + _checked(count)])
        ipv4, port = _SENDER.unpack_from(self.view, self.staging)
        return data, (str(IPv4Address(ipv4)), port)

    def send_to(self, descriptor: int, data: bytes, ipv4: int, port: int) -> None:
        """Send one datagram."""
        size = min(len(data), self.staging_size)  # far more than a datagram: the kernel refuses it
        self.view[self.staging : self.staging + size] = data[:size]
        self.call("host_datagram_send", descriptor, self.staging, size, ipv4, port)

    def shutdown_write(self, descriptor: int) -> None:
        """Send no more on a connection."""
        self.try_call("host_shutdown", descriptor, _SHUT_WRITE)

    def reset_on_close(self, descriptor: int) -> None:
        """Have the peer see a reset when the descriptor is given back."""
        self.call("host_reset_on_close", descriptor)

    def error(self, descriptor: int) -> int:
        """Take a socket's pending errno; 0 when there is none."""
        return self.call("host_error", descriptor)

    def watch(self, descriptor: int, *, writing: bool) -> bool:
        """Ask the doorbell for one token; True when it is ready now and none will come."""
        return self.call("host_watch", descriptor, _POLL_WRITE if writing else _POLL_READ) == 1

    def watch_hangup(self, descriptor: int) -> bool:
        """Ask the doorbell for one token when the connection is reset; it may come early."""
        return self.call("host_watch", descriptor, _POLL_HANGUP) == 1

    def close(self, descriptor: int) -> None:
        """Give one of the host's descriptors back."""
        self.call("host_close", descriptor)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
