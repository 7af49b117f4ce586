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
    done = await podnet(state, "exec", "-T", "-e", "A=b", *PYTHON, program, typed=b"typed\n")
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


async def test_ctrl_c_ends_what_waits_for_keys(deployment: tuple[Path, Up]) -> None:
    state, _ = deployment
    asks = """
import subprocess, sys
for ask in (lambda: input("name? "), sys.stdin.readline, lambda: sys.stdin.buffer.read(1)):
    try:
        print("asks", flush=True)
        ask()
    except KeyboardInterrupt:
        print("interrupted")
try:
    subprocess.run([sys.executable, "-c", "print('waits', flush=True); input()"])
except KeyboardInterrupt:
    print("both interrupted")
print([line for line in sys.stdin], sys.stdin.name)
print(input("at the end? "))
"""
    terminal = Terminal(state, "exec", "-t", *PYTHON, asks)
    for _ in range(3):
        await terminal.shows(b"asks\r\n")
        terminal.type(b"half a line\x03")
        await terminal.shows(b"^Cinterrupted\r\n")
    await terminal.shows(b"waits\r\n")
    terminal.type(b"\x03")
    await terminal.shows(b"both interrupted\r\n")
    terminal.type(b"one\rtwo\r\x04")
    await terminal.shows(b"['one\\n', 'two\\n'] <stdin>\r\n")
    await terminal.shows(b"at the end? ")
    terminal.type(b"yes\r")
    await terminal.shows(b"yes\r\nyes\r\n")
    assert await terminal.status() == 0


async def test_an_interpreter_alone_at_a_terminal_takes_interrupts(
    deployment: tuple[Path, Up],
) -> None:
    state, _ = deployment
    terminal = Terminal(state, "exec", "-t", "web", "python3")
    await terminal.shows(b">>> ")
    terminal.type(b"half\x03")
    await terminal.shows(b"^C\r\nKeyboardInterrupt\r\n>>> ")
    terminal.type(b"import os, signal; size = os.get_terminal_size\r")
    await terminal.shows(b">>> ")
    terminal.type(b"_ = signal.signal(signal.SIGWINCH, lambda *_: print('now', *size()))\r")
    await terminal.shows(b">>> ")
    terminal.type(b"print('wait' + 's'); signal.pause()\r")
    await terminal.shows(b"waits\r\n")
    terminal.resize(21, 43)
    await terminal.shows(b"now 43 21\r\n>>> ")
    terminal.type(b"\x04")
    assert await terminal.status() == 0


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
