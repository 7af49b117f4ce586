"""`podnet up -d`: a process that goes on as the deployment's orchestrator when the command returns.

Owns the fork, what the two processes tell each other, and the command's exit status. The one that
goes on does all the work from the first moment, and shows its progress on the command's streams
until it has nothing more to show; then it writes to its log. The command waits meanwhile. Must be
called while no other thread runs.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.store.state import DeploymentFolder

INTERRUPTED = 130


class StartFailedError(OrchestratorError):
    """What the other process says is wrong."""


class Watcher:
    """The command that waits, as the process that goes on sees it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._log: Path | None = None
        self.looks = True
        """Whether it still shows what is written."""

    def name(self, folder: DeploymentFolder) -> None:
        """Say which deployment goes on from here, whatever becomes of the command."""
        self._log = folder.log
        since = folder.log.stat().st_size if folder.log.exists() else 0
        with suppress(OSError):  # it was interrupted
            self._tell({"root": str(folder.path.parent), "name": folder.name, "log_start": since})

    def notice_end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look away as soon as the command is interrupted."""

        def ended() -> None:
            loop.remove_reader(self._channel)
            self.look_away()

        loop.add_reader(self._channel, ended)

    def done(self, status: int, error: str | None = None) -> None:
        """Say how it went, and show nothing more; only the first time counts."""
        if self.looks:
            self.look_away()
            with suppress(OSError):  # it was interrupted
                self._tell({"status": status} if error is None else {"error": error})

    def look_away(self) -> None:
        """Write to the log from now on."""
        if not self.looks:
            return
        self.looks = False
        sys.stdout.flush()
        sys.stderr.flush()
        nowhere = os.open(os.devnull, os.O_RDWR)
        log = nowhere
        if self._log is not None and self._log.parent.exists():
            log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for descriptor, source in enumerate((nowhere, log, log)):
            os.dup2(source, descriptor)

    def _tell(self, said: dict[str, object]) -> None:
        self._channel.sendall(json.dumps(said).encode() + b"\n")


def leave_behind(run: Callable[[Watcher], int]) -> int:
    """Run something in a process that may go on when it has told its watcher that it is done.

    Args:
        run: Runs there; gives an exit status.

    Returns:
        The exit status.

    Raises:
        OrchestratorError: it says so, or it ended without a word.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _stay(run, theirs)
    theirs.close()
    with ours:
        return _wait(ours, pid)


def _wait(channel: socket.socket, pid: int) -> int:
    deployment: dict[str, object] = {}
    try:
        with channel.makefile("rb") as lines:
            for line in lines:
                said = json.loads(line)
                if "error" in said:
                    raise StartFailedError(said["error"])
                if "status" in said:
                    status: int = said["status"]
                    return status
                deployment = said
    except KeyboardInterrupt:
        if deployment:
            from orchestrator.cli.attached import goes_on

            sys.stderr.write(f"podnet: {goes_on(str(deployment['name']))}\n")
        else:
            os.kill(pid, signal.SIGINT)  # nothing has begun, or it watches another process
            os.waitpid(pid, 0)
        return INTERRUPTED
    raise _death(pid, deployment)


def _death(pid: int, deployment: dict[str, object]) -> OrchestratorError:
    """The error of a process that ended without a word."""
    from pathlib import Path

    from orchestrator.process.spawning import OrchestratorDiedError, last_lines
    from orchestrator.store.state import DeploymentFolder

    cause = f"ended (exit status {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})"
    if not deployment:
        return StartFailedError(f"the process that was to go on {cause}")
    folder = DeploymentFolder(Path(str(deployment["root"])), str(deployment["name"]))
    lines = last_lines(folder.log, int(str(deployment["log_start"])))
    return OrchestratorDiedError(folder.name, cause, str(folder.log), lines)


def _stay(run: Callable[[Watcher], int], channel: socket.socket) -> NoReturn:
    """Be the process that goes on; the stack that called never does in this process."""
    watcher, status = Watcher(channel), 1
    try:
        os.setsid()
        kept = channel.fileno()
        os.closerange(3, kept)  # whatever our parent left open to us
        os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
        status = _run(run, watcher)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BaseException:  # noqa: BLE001 - it ends here, and its log is where somebody will look
        watcher.look_away()
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def _run(run: Callable[[Watcher], int], watcher: Watcher) -> int:
    from pod_node.errors import PodNodeError
    from vnet.errors import VnetError

    try:
        watcher.done(run(watcher))
    except (OrchestratorError, PodNodeError, VnetError) as error:
        watcher.done(1, str(error))
        os.write(2, f"error: {error}\n".encode())
        return 1
    return 0
