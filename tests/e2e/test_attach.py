"""`podnet attach`, as a person uses it: with and without input, with and without a terminal."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.terminals import Terminal, command, podnet
from tests.support.up import Up, podnet_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOPOLOGY = """
name: talk
services:
  shell:
    image: python
    command: [python, -q]
    stdin_open: true
    tty: true
  upper:
    image: python
    command:
      - python
      - -uc
      - |
        import sys
        print("reads")
        for line in sys.stdin:
            if line == "end\\n":
                sys.exit(7)
            print(line.upper(), end="")
    stdin_open: true
  deaf:
    image: python
    command:
      - python
      - -uc
      - |
        import sys, time
        print("heard", repr(sys.stdin.read()))
        while True:
            sys.stdout.write("tick\\n")
            time.sleep(0.05)
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[tuple[Path, Up]]:
    topology = tmp_path / "talk.yaml"
    topology.write_text(TOPOLOGY)
    with short_folder() as state:
        async with podnet_up(topology, state) as up:
            await up.until(lambda line: "reads" in line)
            await up.until(lambda line: "tick" in line)
            yield state, up


async def attached(state: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command("attach", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )


async def test_a_person_attaches_to_pods(deployment: tuple[Path, Up]) -> None:
    state, up = deployment
    await check_a_terminal(state)
    await check_pipes(state, up)
    await check_a_pod_that_reads_nothing(state, up)


async def check_a_terminal(state: Path) -> None:
    one, two = (
        Terminal(state, "attach", "shell"),
        Terminal(state, "attach", "--index", "1", "shell"),
    )
    for terminal, number in ((one, b"1"), (two, b"2")):
        terminal.type(b"print(%s * 111)\r" % number)
        await terminal.shows(number * 3 + b"\r\n>>> ")
    one.type(b"import os; os.isatty(0), os.environ['TERM'], 6 * 7\r")
    await two.shows(b"6 * 7\r\n(True, 'xterm', 42)\r\n>>> ")
    await one.shows(b"42)\r\n>>> ")
    one.type(b"import time; time.sleep(3600)\r")
    await one.shows(b"\r\n")
    one.type(b"\x03")
    await one.shows(b"KeyboardInterrupt\r\n>>> ")
    one.type(b"\x10\x11")
    await one.shows(b"detached; the pod goes on")
    assert await one.status() == 0
    two.type(b"exit(5)\r")
    assert await two.status() == 5


async def check_pipes(state: Path, up: Up) -> None:
    upper, watcher = await attached(state, "upper"), await attached(state, "--no-stdin", "upper-1")
    assert upper.stdin is not None
    assert upper.stdout is not None
    assert watcher.stdout is not None
    assert watcher.stdin is not None
    watcher.stdin.write(b"end\n")
    async with asyncio.TaskGroup() as group:
        seeing = group.create_task(watcher.stdout.readline())
        while not seeing.done():  # it is being attached
            upper.stdin.write(b"hello\n")
            assert await upper.stdout.readline() == b"HELLO\n"
    assert seeing.result() == b"HELLO\n"
    await up.until(lambda line: "HELLO" in line)
    upper.stdin.close()
    upper.send_signal(signal.SIGINT)
    assert await upper.wait() == 0
    status, out, _ = await podnet(state, "attach", "upper", typed=b"again\nend\n")
    assert (status, out) == (7, "AGAIN\n"), "its input is open for whoever comes next"
    assert await watcher.wait() == 7
    assert (await watcher.stdout.read()).endswith(b"AGAIN\n")
    status, _, err = await podnet(state, "attach", "upper")
    assert status == 1
    assert 'no pod of "upper" runs: upper-1 is' in err


async def check_a_pod_that_reads_nothing(state: Path, up: Up) -> None:
    deaf = await attached(state, "deaf")
    assert deaf.stdin is not None
    assert deaf.stdout is not None
    deaf.stdin.write(b"anybody?\n")
    assert await deaf.stdout.readline() == b"tick\n"
    deaf.send_signal(signal.SIGINT)
    assert await deaf.wait() == 0
    assert await up.until(lambda line: "heard" in line) == await up.until(
        lambda line: "heard ''" in line
    )
    killed = await attached(state, "deaf")
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"tick\n"
    assert (await podnet(state, "kill", "deaf"))[0] == 0
    assert await killed.wait() == 137
