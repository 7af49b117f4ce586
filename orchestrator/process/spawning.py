"""The background orchestrator, from outside: started, waited for.

Owns the process's first moments. Whoever calls has no part in it afterwards, unless it is to end
with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING, Protocol

from orchestrator.backends.processes import lock_holder
from orchestrator.errors import OrchestratorError
from orchestrator.serving.access import listen_arguments
from orchestrator.store.state import StateFolderError, answers

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.serving.access import ListenAddress
    from orchestrator.store.state import DeploymentFolder

START_S = 60.0
"""How long an orchestrator may take until its control socket answers; it takes a second."""
RETRY_S = 0.02
LAST_LINES = 4
LAST_BYTES = 8192


class Started(Protocol):
    """A process of ours."""

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""


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
    command = [sys.executable, "-P", "-m", "orchestrator.process.background", folder.name]
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


async def wait_for_control(folder: DeploymentFolder, process: Started) -> None:
    """Wait until a deployment's control socket answers, whoever serves it.

    Args:
        folder: The deployment's folder.
        process: The orchestrator that was started.

    Raises:
        OrchestratorDiedError: the process has ended, and nobody serves it; or it takes too long.
    """
    try:
        async with asyncio.timeout(START_S):
            while not answers(folder.control_socket):
                status = process.poll()
                ended = status is not None and not answers(folder.control_socket)
                if ended and lock_holder(folder.path / "lock") is None:  # nobody else starts it
                    lines = last_lines(folder.log)
                    cause = f"ended (exit status {status})"
                    raise OrchestratorDiedError(folder.name, cause, str(folder.log), lines)
                await asyncio.sleep(RETRY_S)
    except TimeoutError as error:
        cause = f"did not answer within {START_S:.0f} s"
        lines = last_lines(folder.log)
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
