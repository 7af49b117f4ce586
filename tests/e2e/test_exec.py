"""`podnet exec`, `shell` and `kill -s`, as a person uses them, with a real terminal."""

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
name: procs
services:
  web:
    image: python
    command:
      - python
      - -c
      - |
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"told to end by {number}"))
        print("up")
        while True:
            time.sleep(3600)
    healthcheck: {test: [CMD, python, -c, "print('well')"], interval: 1s}
"""
PYTHON = ("web", "python", "-c")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[tuple[Path, Up]]:
    topology = tmp_path / "procs.yaml"
    topology.write_text(TOPOLOGY)
    with short_folder() as state:
        async with podnet_up(topology, state) as up:
            await up.until(lambda line: "healthy after" in line)
            yield state, up


async def test_a_person_runs_programs_in_a_pod(deployment: tuple[Path, Up]) -> None:
    state, up = deployment
    program = "import os, sys; print(os.environ['A'], input()); sys.stderr.write('e'); sys.exit(7)"
    done = await podnet(state, "exec", "-e", "A=b", *PYTHON, program, typed=b"typed\n")
    assert done == (7, "b typed\n", "e")
    big = "import sys; print(len(sys.stdin.buffer.read())); print('x' * 300_000)"
    status, out, _ = await podnet(state, "exec", *PYTHON, big, typed=bytes(3_000_000))
    assert (status, out.split("\n")[0], len(out.split("\n")[1])) == (0, "3000000", 300_000)
    status, _, err = await podnet(state, "exec", "web", "nope")
    assert (status, err) == (
        126,
        "error: pod web-1 cannot run nope: the pod's image has no such program\n",
    )
    status, _, err = await podnet(state, "exec", "wbe", "python")
    assert status == 126
    assert 'did you mean "web"' in err

    terminal = Terminal(state, "shell", "web")
    await terminal.shows(b">>> ")
    terminal.type(b"impotr\x7f\x7f\x7f\x7fport os\r")
    await terminal.shows(b">>> ")
    terminal.type(b"os.isatty(0), os.get_terminal_size().columns\r")
    await terminal.shows(b"(True, 80)\r\n>>> ")
    terminal.type(b"half a line\x03")
    await terminal.shows(b"^C\r\nKeyboardInterrupt\r\n>>> ")
    terminal.type(b"import time; time.sleep(3600)\r")
    await terminal.shows(b"\r\n")
    terminal.type(b"\x03")
    await terminal.shows(b"KeyboardInterrupt\r\n>>> ")
    terminal.type(b"exit(5)\r")
    assert await terminal.status() == 5

    status, out, _ = await podnet(state, "kill", "-s", "TERM", "web")
    assert (status, out) == (0, "sent TERM to web-1\n")
    await up.until(lambda line: "told to end by 15" in line)
    assert await up.ended() == 1


async def test_an_interrupted_command_interrupts_its_program(
    deployment: tuple[Path, Up],
) -> None:
    state, _ = deployment
    process = await asyncio.create_subprocess_exec(
        *command("exec", *PYTHON, "import time\nprint('on', flush=True)\ntime.sleep(3600)"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130, "as a shell shows it"
    assert err.decode().endswith("KeyboardInterrupt\n")


async def test_a_command_that_dies_takes_its_program_along(deployment: tuple[Path, Up]) -> None:
    state, _ = deployment
    count = "import os; print(sum(os.path.exists(f'/proc/{n}/status') for n in range(2, 200)))"
    process = await asyncio.create_subprocess_exec(
        *command("exec", *PYTHON, "print('on', flush=True)\nwhile True: pass"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"on\n"
    process.kill()
    await process.wait()
    while int((await podnet(state, "exec", *PYTHON, count))[1]) > 1:
        pass  # one is the program that counts; a health check may be another
