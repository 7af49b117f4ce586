"""The background orchestrator, from outside: started, waited for.

Owns the process's first moments. Whoever calls has no part in it afterwards, unless it is to end
with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import traceback
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING, NoReturn, Protocol

from orchestrator.access import listen_arguments
from orchestrator.backends.processes import lock_holder
from orchestrator.errors import OrchestratorError
from orchestrator.state import StateFolderError

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.access import ListenAddress
    from orchestrator.backends.wish import RayWish
    from orchestrator.state import DeploymentFolder

START_S = 60.0
"""How long an orchestrator may take until its control socket answers; it takes a second."""
RETRY_S = 0.02
LAST_LINES = 4
LAST_BYTES = 8192


class Started(Protocol):
    """A process of ours."""

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""


class ForkedProcess:
    """A process that was forked from this one."""

    def __init__(self, pid: int, log_start: int) -> None:
        self._pid = pid
        self.log_start = log_start
        """How long its log was before it, in bytes."""
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative if a signal ended it; None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


class OrchestratorDiedError(OrchestratorError):
    """The background orchestrator ended before it was ready, or does not answer."""

    def __init__(self, name: str, cause: str, log: str, last_lines: tuple[str, ...]) -> None:
        super().__init__(name, cause, log, last_lines)
        self.name, self.cause, self.log, self.last_lines = name, cause, log, last_lines

    def __str__(self) -> str:
        if len(self.last_lines) == 1 and self.last_lines[0].startswith("error: "):
            return self.last_lines[0].removeprefix("error: ")
        said = "".join(f"\n  | {line}" for line in self.last_lines) or " nothing"
        return (
            f'the orchestrator of deployment "{self.name}" {self.cause}; '
            f"its last words, from {self.log}:{said}"
        )


def start_background(
    folder: DeploymentFolder,
    *,
    until_eof: bool = False,
    listen: ListenAddress | None = None,
    ray: str | None = None,
) -> Popen[bytes]:
    """Start a background orchestrator; it waits for a topology.

    Args:
        folder: The deployment's folder.
        until_eof: Whether it takes everything down when its standard input ends, which is a pipe
            then.
        listen: Where else it takes requests.
        ray: Address of a Ray cluster to have nodes on, empty for any.

    Raises:
        StateFolderError: the folder cannot be used.
    """
    folder.make()
    # -P: what lies in the current folder must not stand in for a module of ours.
    command = [sys.executable, "-P", "-m", "orchestrator.background", folder.name]
    command += ["--until-eof"] * until_eof + ([] if listen is None else listen_arguments(listen))
    try:
        log = folder.log.open("ab")
    except OSError as error:
        raise StateFolderError(str(folder.path), error.strerror or str(error)) from error
    with log:
        return Popen(
            command + ([] if ray is None else [f"--ray={ray}"]),
            stdin=PIPE if until_eof else DEVNULL,
            stdout=DEVNULL,
            stderr=log,
            cwd="/",
            env=os.environ | {"PODNET_STATE": str(folder.path.parent)},
            start_new_session=True,
        )


def fork_background(
    folder: DeploymentFolder, listen: ListenAddress | None, wish: RayWish | None = None
) -> ForkedProcess:
    """Leave a background orchestrator behind that goes on from what this process has loaded.

    It is otherwise as one from `start_background`. Must be called while no other thread runs.

    Raises:
        StateFolderError: the folder cannot be used.
    """
    folder.make()
    try:
        log = folder.log.open("ab")
    except OSError as error:
        raise StateFolderError(str(folder.path), error.strerror or str(error)) from error
    sys.stdout.flush()
    sys.stderr.flush()
    with log:
        log_start = log.tell()
        pid = os.fork()
        if pid == 0:
            _be_background(folder, listen, wish, log.fileno())
    return ForkedProcess(pid, log_start)


def _be_background(
    folder: DeploymentFolder, listen: ListenAddress | None, wish: RayWish | None, log: int
) -> NoReturn:
    """Become the background orchestrator; the stack that called never goes on in this process."""
    status = 1
    try:
        os.setsid()
        os.chdir("/")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor, source in enumerate((nowhere, nowhere, log)):
            os.dup2(source, descriptor)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # whatever our parent left open to us
        os.environ["PODNET_STATE"] = str(folder.path.parent)

        from orchestrator.background import run_background

        run_background(folder, listen, wish)
        status = 0
    except SystemExit as end:
        os.write(2, f"{end.code}\n".encode())
    except BaseException:  # noqa: BLE001 - it ends here, and its log is where somebody will look
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


async def wait_for_control(folder: DeploymentFolder, process: Started, log_start: int = 0) -> None:
    """Wait until a deployment's control socket answers, whoever serves it.

    Args:
        folder: The deployment's folder.
        process: The orchestrator that was started.
        log_start: How long its log was before it, in bytes.

    Raises:
        OrchestratorDiedError: the process has ended, and nobody serves it; or it takes too long.
    """
    try:
        async with asyncio.timeout(START_S):
            while not answers(folder.control_socket):
                status = process.poll()
                ended = status is not None and not answers(folder.control_socket)
                if ended and lock_holder(folder.path / "lock") is None:  # nobody else starts it
                    lines = last_lines(folder.log, log_start)
                    cause = f"ended (exit status {status})"
                    raise OrchestratorDiedError(folder.name, cause, str(folder.log), lines)
                await asyncio.sleep(RETRY_S)
    except TimeoutError as error:
        cause = f"did not answer within {START_S:.0f} s"
        lines = last_lines(folder.log, log_start)
        raise OrchestratorDiedError(folder.name, cause, str(folder.log), lines) from error


def last_lines(log: Path, since: int = 0) -> tuple[str, ...]:
    """Read the end of a log, but for what was there before."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - LAST_BYTES) if since <= size else 0)
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ()
    return tuple(line.rstrip() for line in lines if line.strip())[-LAST_LINES:]


def answers(control: Path) -> bool:
    """Tell whether somebody serves a socket; one of a process that was killed is still there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(control))
        except OSError:
            return False
    return True
