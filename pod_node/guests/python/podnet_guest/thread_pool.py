"""`concurrent.futures.thread`, which the build leaves out: importable, but without threads.

Libraries import `ThreadPoolExecutor` without using it, and `asyncio` asks whether an executor is
one. Submitting work says what `threading.Thread.start` says.
"""

import _thread
from concurrent.futures import _base

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class BrokenThreadPool(_base.BrokenExecutor):
    """A pool whose initializer failed; never raised here."""


class ThreadPoolExecutor(_base.Executor):
    """A pool that can hold no threads."""

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: "Callable[..., object] | None" = None,
        initargs: tuple[object, ...] = (),
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")

    def submit(  # type: ignore[override]  # it returns nothing, ever
        self, fn: "Callable[..., object]", /, *args: object, **kwargs: object
    ) -> None:
        """Start a thread for the function, which fails with the reason.

        Raises:
            RuntimeError: always.
        """
        _thread.start_new_thread(fn, args, kwargs)
