"""`podnet up` as a person runs it: a process with its streams, its signals and its traces."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.process import ending
from orchestrator.process.ending import is_running
from orchestrator.store.state import DeploymentFolder, known_deployments
from tests.support.serving import short_folder

if TYPE_CHECKING:
    import signal
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable

START_S = 120.0
"""The first start on a machine fetches and compiles the image."""
OUTAGE = Path(__file__).parents[2] / "topologies" / "outage"
URL = re.compile(r"http://\S+localhost:[0-9]+/")


@dataclass
class Up:
    """One run of `podnet up`."""

    process: Process
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, found: Callable[[str], bool]) -> str:
        """Wait for a line on either stream."""
        seen = 0
        async with asyncio.timeout(START_S):
            while True:
                lines = self.out + self.err
                for line in lines:
                    if found(line):
                        return line
                if len(lines) == seen and self.process.returncode is not None:
                    raise AssertionError(f"podnet up ended:\n{''.join(lines)}")
                seen = len(lines)
                self.grown.clear()
                await self.grown.wait()

    async def url(self) -> str:
        line = await self.until(lambda line: URL.search(line) is not None)
        match = URL.search(line)
        assert match is not None
        return match[0]

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(START_S):
            return await self.process.wait()

    def node_pids(self) -> list[int]:
        """The processes below this one."""
        return descendants(self.process.pid)


@asynccontextmanager
async def podnet_up(
    topology: Path, state: Path, *options: str, ends: bool = True
) -> AsyncIterator[Up]:
    """Run `podnet up` on a topology, and end it with the block if it still runs.

    With `ends`, the deployment ends with the block, too, and not only the command.
    """
    with short_folder() as temporary:
        environment = os.environ | {"PODNET_STATE": str(state), "TMPDIR": str(temporary)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orchestrator.cli.main", "up", *options, str(topology)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        up = Up(process)
        async with asyncio.TaskGroup() as group:
            group.create_task(_collect(process.stdout, up.out, up.grown))
            group.create_task(_collect(process.stderr, up.err, up.grown))
            try:
                yield up
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                if ends:
                    await take_down(state)
        assert not list(temporary.iterdir()), "no file is left outside the state folder"


def write_outage(folder: Path, schedule: str = "") -> Path:
    """Write the example with slow links into a folder, with another schedule, and say where."""
    text = (OUTAGE / "outage.yaml").read_text().replace("./app", str(OUTAGE / "app"))
    declared, found, _ = text.partition("schedule:")
    assert found
    file = folder / "outage.yaml"
    file.write_text(declared + schedule)
    return file


async def take_down(state: Path) -> None:
    """End whatever a test left running: nodes outlive those who started them."""
    for name in known_deployments(state):
        folder = DeploymentFolder(state, name)
        if is_running(folder):
            await ending.take_down(folder, 0.0, lambda _: None, lambda _: None)


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    status: int
    out: str
    err: str


async def podnet(state: Path, *arguments: str) -> Outcome:
    """Run another command while a deployment runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def _collect(
    stream: asyncio.StreamReader | None, lines: list[str], grown: asyncio.Event
) -> None:
    assert stream is not None
    while line := await stream.readline():
        lines.append(line.decode())
        grown.set()
    grown.set()


def descendants(pid: int) -> list[int]:
    """Every process below another."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def runs(pid: int) -> bool:
    """Say whether a process runs; one that is dead and not yet collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def wait_gone(pids: list[int]) -> None:
    """Wait until none of some processes runs."""
    for pid in pids:
        with suppress(ProcessLookupError):
            await _wait_gone(os.pidfd_open(pid))


async def _wait_gone(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        async with asyncio.timeout(30):
            await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
