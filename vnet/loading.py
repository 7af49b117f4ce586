"""How a process loads its modules: without a look for garbage, of which there is none.

A collector that runs meanwhile goes through all that was loaded, again and again: a tenth to a
fifth of the time that it takes. What is loaded stays, so it is never looked at later either.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def loading() -> Iterator[None]:
    """Load what the block imports."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
