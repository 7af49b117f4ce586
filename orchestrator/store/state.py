"""Where a deployment keeps what outlives a command: its folder on this machine.

Owns the folder's place and layout, and the lock by which one process at a time runs a deployment:

    $PODNET_STATE/DEPLOYMENT/       or, without it, $XDG_STATE_HOME/podnet/DEPLOYMENT/
        lock                        held by its orchestrator, whose process id it holds
        state.db                    what is declared (and state.db-wal, state.db-shm)
        orchestrator.log            what an orchestrator in the background has to say
        control.sock                where the orchestrator takes requests, gone with it
        node.lock                   held by the pod node, whose process id it holds
        node.sock  node.log         the pod node's socket, gone with it, and what it had to say
        logs/                       what the pods wrote
        volumes/NAME/               named volumes; never removed by a running deployment

Decides nothing about what runs.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from pod_node.lock import VOLUMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SOCKET_PATH_BYTES = 107
"""Longest path of a unix socket on Linux (108 bytes with the NUL)."""


class StateFolderError(OrchestratorError):
    """The state folder cannot be used."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"state folder {self.path}: {self.reason}; "
            "set PODNET_STATE to a folder that you can write to"
        )


class DeploymentRunningError(OrchestratorError):
    """Another process runs a deployment of this name."""

    def __init__(self, name: str, pid: str) -> None:
        super().__init__(name, pid)
        self.name, self.pid = name, pid

    def __str__(self) -> str:
        return (
            f'deployment "{self.name}" is already running (process {self.pid}); stop that first, '
            'or give this one another "name" in its topology'
        )


class DeploymentFolder:
    """The folder of one deployment."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.path = root / name
        self.socket = self.path / "node.sock"
        self.control_socket = self.path / "control.sock"
        self.database = self.path / "state.db"
        self.log = self.path / "orchestrator.log"
        self.node_log = self.path / "node.log"
        self.volumes = self.path / VOLUMES

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Create the folder and keep every other process from running this deployment.

        Raises:
            DeploymentRunningError: another process holds it.
            StateFolderError: the folder cannot be created or used.
        """
        self.make()
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateFolderError(str(self.path), error.strerror or str(error)) from error
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def make(self) -> None:
        """Create the folder if it is not there.

        Raises:
            StateFolderError: it cannot be created or used.
        """
        if len(os.fsencode(self.control_socket)) > SOCKET_PATH_BYTES:
            limit = SOCKET_PATH_BYTES
            reason = (
                f"the path of its socket would be longer than the {limit} bytes that Linux allows"
            )
            raise StateFolderError(str(self.path), reason)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateFolderError(str(self.path), error.strerror or str(error)) from error

    def make_volumes(self, folders: Iterable[Path]) -> None:
        """Create the folders of named volumes that are not there yet.

        Raises:
            StateFolderError: one of them cannot be created.
        """
        for folder in folders:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StateFolderError(str(folder), error.strerror or str(error)) from error

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise DeploymentRunningError(self.name, pid or "unknown") from error
        try:
            holder = f"{os.getpid()}\n".encode()
            os.pwrite(descriptor, holder, 0)  # in place: there is room for it on a full disk, too
            os.ftruncate(descriptor, len(holder))
        except OSError as error:
            raise StateFolderError(str(self.path), error.strerror or str(error)) from error


def state_root(environment: Mapping[str, str]) -> Path:
    """Say where the folders of all deployments are."""
    if chosen := environment.get("PODNET_STATE"):
        return Path(chosen).absolute()
    home = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser().absolute() / "podnet"


def known_deployments(root: Path) -> list[str]:
    """Name the deployments that have a folder, running or not."""
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if (entry / "lock").is_file())


def answers(control: Path) -> bool:
    """Tell whether somebody serves a socket; one of a process that was killed is still there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(control))
        except OSError:
            return False
    return True
