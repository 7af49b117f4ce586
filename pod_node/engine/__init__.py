"""wasmtime: compiling modules, linking guests to the kernel, running them.

- `compiler.py` the process's one engine and its modules.
- `fabric.py` the shared memory, and the node's calls into the kernel.
- `modules.py`, `guards.py` the small linking modules, as text; `program.py` a module ready to boot.
- `process.py` a guest in the kernel; `guest.py` a guest on its thread; `pod.py` a pod as the node
  holds it; `runtime.py` all of them together.
- `once.py` a module run without kernel, for the node's own chores; `create_library` for images.
- `bindings.py` every use of wasmtime-py's private API; `errors.py` what can go wrong on the way.
"""

from pod_node.engine.compiler import Compiler, create_engine
from pod_node.engine.errors import InvalidModuleError, KernelMissingError, UnsupportedModuleError
from pod_node.engine.once import GuestRunner, create_library
from pod_node.engine.runtime import EngineRuntime

__all__ = [
    "Compiler",
    "EngineRuntime",
    "GuestRunner",
    "InvalidModuleError",
    "KernelMissingError",
    "UnsupportedModuleError",
    "create_engine",
    "create_library",
]
