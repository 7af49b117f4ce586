"""A process beside the benchmark that answers requests; its CPU time and memory are its own.

Owns starting, asking, measuring and ending it; what it does is the caller's function.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

Serve = Callable[[Connection], None]
"""Runs in the new process until `recv` raises EOFError. Answers every request with one `send`."""

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Fields of /proc/PID/stat after the command's name (14 and 15 in proc_pid_stat(5))."""


class WorkerFailedError(Exception):
    """The process answered with an exception, or died."""


@contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Have variables that what is started meanwhile inherits."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Worker:
    """Handle of one such process; a context manager."""

    def __init__(self, serve: Serve, environment: Mapping[str, str] | None = None) -> None:
        """Start it, with these variables too."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        with _variables(environment or {}):
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
        self._process.join(timeout=10)
        self._process.kill()

    def ask(self, request: object) -> object:
        """Send a request and wait for its answer."""
        try:
            self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, BrokenPipeError) as error:
            self._process.join(timeout=10)
            status = self._process.exitcode
            raise WorkerFailedError(f"it died with status {status}; see its last words") from error
        if isinstance(answer, BaseException):
            raise WorkerFailedError(repr(answer)) from answer
        return answer

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        stat = self._proc("stat").rpartition(")")[2].split()
        return (int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])) * _TICK_S

    def memory_bytes(self, field: str = "Rss") -> int:
        """What the kernel accounts to it: `Rss`, or `Pss` with shared pages split."""
        for line in self._proc("smaps_rollup").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field} in smaps_rollup")

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{self._process.pid}/{name}").read_text(encoding="ascii")
