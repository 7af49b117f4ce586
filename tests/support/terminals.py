"""`podnet` as a person runs it: with pipes, or at a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "orchestrator.cli.main", *arguments)


async def podnet(state: Path, *arguments: str, typed: bytes = b"") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command(*arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    out, err = await process.communicate(typed)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self._seen = b""
        self._process, self._keys = pty.fork()
        if self._process == 0:
            words = command(*arguments)
            os.execve(words[0], words, os.environ | {"PODNET_STATE": str(state), "TERM": "xterm"})

    async def shows(self, text: bytes) -> None:
        """Wait until the terminal shows `text`, after what was waited for before."""
        while text not in self._seen:
            self._seen += await asyncio.to_thread(os.read, self._keys, 4096)
        self._seen = self._seen.partition(text)[2]

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._keys, (rows, columns))

    def type(self, keys: bytes) -> None:
        os.write(self._keys, keys)

    async def status(self) -> int:
        try:
            while await asyncio.to_thread(os.read, self._keys, 4096):
                pass
        except OSError:
            pass  # the other side is closed
        _, status = await asyncio.to_thread(os.waitpid, self._process, 0)
        os.close(self._keys)
        return os.waitstatus_to_exitcode(status)
