"""One build's folder, its log and its commands; what a try leaves behind for the next one.

A step that is done leaves a mark in the folder, and is not done again. All that commands print goes
to the log. While one runs, whoever waits hears of it several times a second, and can give up: then
the command ends with all that it started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pod_node.images.recipes.errors import BuildFailedError

POLL_S = 0.25
"""Between two looks at a command that runs."""
LAST_LINES = 3
"""How much of the log goes into an error."""
LAST_BYTES = 4096
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "APT_CONFIG", "http_proxy", "https_proxy", "no_proxy")
"""Variables of the user that commands see: no flags of another compiler."""


class Workshop:
    """Where one recipe is carried out."""

    def __init__(self, folder: Path, log: Path, on_step: Callable[[str], None]) -> None:
        """Work in `folder`, which may hold what an earlier try left.

        Args:
            folder: All files of the build.
            log: Appended to.
            on_step: Told what is being done, again and again; may raise to give up.
        """
        self.folder = folder
        self.log = log
        self._on_step = on_step
        self._step = ""

    def path(self, *parts: str) -> Path:
        """Give a place in the folder."""
        return self.folder.joinpath(*parts)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Note in the log when a step begins, and how long it took."""
        self._step = title
        self._on_step(title)
        self.write(f"=== {title}\n")
        begin = time.monotonic()
        yield
        self.write(f"=== {title}: {time.monotonic() - begin:.1f} s\n")

    def settle(self, tools: str) -> None:
        """Start anew unless an earlier try had the same tools: its files name their places."""
        note = self.path(".tools")
        if not note.exists() or note.read_text(encoding="utf-8") != tools:
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path != self.log:
                    path.unlink()
            note.write_text(tools, encoding="utf-8")

    def once(self, title: str, work: Callable[[], None]) -> None:
        """Carry out a step, unless an earlier try has."""
        mark = self.path(f".done-{title.replace(' ', '-')}")
        if mark.exists():
            return
        with self.step(title):
            work()
        mark.touch()

    def run(
        self, command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Run a command to its end.

        Raises:
            BuildFailedError: it cannot be started, or its status is not 0.
        """
        words = [str(word) for word in command]
        self.write(f"$ {' '.join(words)}\n")
        own = {name: os.environ[name] for name in _KEPT if name in os.environ}
        with self.log.open("ab") as log:
            try:
                status = self._wait_for(words, cwd, own | dict(environment or {}), log)
            except OSError as error:
                raise self.failure(f"{words[0]}: {error.strerror or error}") from error
        if status != 0:
            raise self.failure(f"{Path(words[0]).name} ended with status {status}{self._last()}")

    def failure(self, reason: str) -> BuildFailedError:
        """Make the error that ends the step."""
        return BuildFailedError(self._step, reason, self.log)

    def write(self, text: str) -> None:
        """Add to the log."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(text)

    def _wait_for(
        self, words: list[str], cwd: Path, environment: dict[str, str], log: IO[bytes]
    ) -> int:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    return process.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    self._on_step(self._step)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _last(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(self.log.stat().st_size - LAST_BYTES, 0))
            lines = log.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "error" in line.lower()]
        return "".join(f"\n  {line[:300]}" for line in (errors or lines)[-LAST_LINES:])
