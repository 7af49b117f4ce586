"""The C module `_socket` of the build, under another name than the one we take.

Making a built-in module enters it into `sys.modules`; the entry that was there is put back.
"""

import sys
from _frozen_importlib import BuiltinImporter, spec_from_loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket as c_socket
    from types import ModuleType


def load_c_module() -> "ModuleType":
    """Make the C module."""
    ours = sys.modules.get("_socket")
    spec = spec_from_loader("_socket", BuiltinImporter)
    assert spec is not None, "_socket is built in"
    module = BuiltinImporter.create_module(spec)
    assert module is not None, "a built-in module is always made"
    BuiltinImporter.exec_module(module)
    if ours is not None:
        sys.modules["_socket"] = ours
    return module


if not TYPE_CHECKING:
    c_socket = load_c_module()

__all__ = ["c_socket"]
