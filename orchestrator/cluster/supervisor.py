"""One node process on one machine: started, kept alive by leases, watched, ended.

Owns the process and its folder, and asks for its leases. A machine's facts are read here, where
they hold, and parts of images go into and out of its cache here. Runs where the node runs; who
calls it, and how, is a backend's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from orchestrator.cluster.facts import machine_facts
from orchestrator.cluster.values import MachineFacts, NodeEnd, NodeOrder, NodeReady
from orchestrator.store.state import state_root
from pod_node.fingerprint import fingerprint
from pod_node.images import CacheFolder, ImageDesk, ImageParts, cache_root
from pod_node.images.errors import CacheFolderError, PartRefusedError
from pod_node.lease import FENCED_STATUS, boot_time, lease_line

STOP_S = 3.0
"""How long an orderly end may take; a node gives its guests one second of it."""
RENEWALS = 4
"""Renewals in the time of one lease, so that one that is lost or late does no harm."""
LAST_LINES = 4
LAST_BYTES = 8192

Renew: TypeAlias = Callable[[], Awaitable[float | None]]
"""Asks for a lease: its length in seconds, or None for none any more."""


class Supervisor:
    """Looks after one node."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Prepare; `environment` is the node's, and says where it keeps what."""
        self._environment = environment
        self._process: Process | None = None
        self._folder = Path()
        self._ready: NodeReady | None = None
        self._end: NodeEnd | None = None
        self._images: ImageDesk | None = None

    @property
    def images(self) -> ImageDesk:
        """Where other machines get parts of images, and give them.

        Raises:
            PartRefusedError: no node was started, or it has no folder for a cache.
        """
        if self._images is None:
            raise PartRefusedError("images", "this machine has no cache")
        return self._images

    @property
    def ready(self) -> NodeReady | None:
        """The node, while it answers."""
        running = self._process is not None and self._process.returncode is None
        return self._ready if running else None

    def facts(self) -> MachineFacts:
        """Say what this machine is."""
        return machine_facts()

    async def start(self, order: NodeOrder, renew: Renew) -> NodeReady | NodeEnd:
        """Start the node; return once it answers, or has ended.

        Args:
            order: The node.
            renew: Asks for its leases.
        """
        self._end = None
        with contextlib.suppress(CacheFolderError):  # the node says so in better words
            parts = ImageParts(CacheFolder(cache_root(self._environment)), fingerprint())
            self._images = ImageDesk(parts, order.sealing_key)
        try:
            process = await self._spawn(order)
        except OSError as error:
            return NodeEnd(cause=f"cannot start a node in {self._folder}: {error.strerror}")
        self._process = process
        assert process.stdout is not None, "the process was started with a pipe"
        words = (await process.stdout.readline()).split()
        # No pod can be booted before this has returned, so the lease begins here.
        if len(words) != 2 or words[0] != b"ready" or not await self._renew(process, renew):
            self.kill()
            return await self.wait()
        self._ready = NodeReady(address=f"{order.host}:{int(words[1])}", pid=process.pid)
        return self._ready

    async def wait(self) -> NodeEnd:
        """Wait for the node's end and say what is known about it."""
        if self._end is not None:
            return self._end
        process = self._process
        if process is None:
            return NodeEnd(cause="it was not started")
        status = await process.wait()
        lines = await asyncio.to_thread(self._last_lines)
        self._end = NodeEnd(cause=_cause(status), last_lines=lines)
        return self._end

    async def attend(self, renew: Renew, lease_s: float) -> None:
        """Put the lease's end off, again and again, until there is no more, or the node has ended.

        Args:
            renew: Asks for leases.
            lease_s: How long each is.
        """
        process = self._process
        while process is not None and process.returncode is None:
            await asyncio.sleep(lease_s / RENEWALS)
            if not await self._renew(process, renew):
                return

    async def _renew(self, process: Process, renew: Renew) -> bool:
        """Ask for a lease and pass it on; whether that was done."""
        asked_at = boot_time()
        length_s = await renew()
        assert process.stdin is not None, "the process was started with a pipe"
        if length_s is None or process.stdin.is_closing():
            return False
        process.stdin.write(lease_line(asked_at + length_s))
        return True

    async def stop(self) -> NodeEnd:
        """End the node in order, and by force when that takes too long."""
        process = self._process
        if process is not None and process.returncode is None:
            assert process.stdin is not None, "the process was started with a pipe"
            process.stdin.close()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                self.kill()
        return await self.wait()

    def kill(self) -> None:
        """End the node at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def _spawn(self, order: NodeOrder) -> Process:
        self._folder = state_root(self._environment) / order.deployment / "nodes" / order.node
        await asyncio.to_thread(_prepare, self._folder, order)
        with (self._folder / "node.log").open("wb") as log:
            # -P: what lies in the current folder must not stand in for a module of ours.
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "pod_node", "--until-eof"),
                *("--socket", str(self._folder / "node.sock"), "--state", str(self._folder)),
                *("--listen", order.host, "--credentials", str(self._folder / "credentials")),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=dict(self._environment),  # uvloop, which Ray takes where it is, wants a dict
                start_new_session=True,
            )

    def _last_lines(self) -> tuple[str, ...]:
        try:
            with (self._folder / "node.log").open("rb") as log:
                log.seek(0, 2)
                log.seek(max(0, log.tell() - LAST_BYTES))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ()
        return tuple(line.rstrip() for line in lines if line.strip())[-LAST_LINES:]


def _prepare(folder: Path, order: NodeOrder) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    order.credentials.write(folder / "credentials")
    for volume in order.volumes:
        Path(volume).mkdir(mode=0o700, parents=True, exist_ok=True)


def _cause(status: int) -> str:
    if status == FENCED_STATUS:
        return "it was cut off and has ended by itself"
    if status >= 0:
        return f"exit status {status}"
    hint = "; the machine may be out of memory" if -status == signal.SIGKILL else ""
    return f"signal {signal.Signals(-status).name}{hint}"
