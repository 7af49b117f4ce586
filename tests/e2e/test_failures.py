"""What goes wrong when a person makes mistakes, and what they are told."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.up import Up, podnet_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def topology(folder: Path, service: str) -> Path:
    """A topology of one service."""
    path = folder / "topology.yaml"
    path.write_text(f"name: test\nservices:\n  web: {service}\n")
    return path


async def outcome(up: Up, status: int) -> str:
    """Wait for the end; return all that was said."""
    assert await up.ended() == status, "".join(up.err)
    text = "".join(up.err)
    assert "Traceback (most recent call last)" not in text
    return text


async def test_a_program_that_does_not_exist_is_told_in_its_own_words(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "{image: python, command: [python, /app/none.py]}")
    async with podnet_up(file, state) as up:
        text = await outcome(up, 1)
    assert "web-1: exited (2): " in text
    assert "can't open file '/app/none.py'" in text


async def test_a_guest_that_ends_well_ends_up_well(state: Path, tmp_path: Path) -> None:
    file = topology(tmp_path, '{image: python, command: [python, -c, "print(6 * 7)"]}')
    async with podnet_up(file, state) as up:
        await outcome(up, 0)
    assert "web-1 | 42\n" in up.out


async def test_a_guest_over_its_memory_limit_says_so(state: Path, tmp_path: Path) -> None:
    program = "x = []\\nwhile True: x.append(bytearray(1 << 20))"
    file = topology(
        tmp_path,
        f'{{image: python, command: [python, -c, "{program}"],'
        " deploy: {resources: {limits: {memory: 64M}}}}",
    )
    async with podnet_up(file, state) as up:
        text = await outcome(up, 1)
    assert "web-1: exited (1): MemoryError" in text or "web-1: out-of-memory" in text


async def test_a_module_that_is_not_there_is_named(state: Path, tmp_path: Path) -> None:
    async with podnet_up(topology(tmp_path, "{image: ./none.wasm}"), state) as up:
        text = await outcome(up, 1)
    assert "none.wasm" in text


async def test_a_file_that_is_no_module_is_named(state: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wasm").write_bytes(b"\x7fELF, that is no module")
    async with podnet_up(topology(tmp_path, "{image: ./bad.wasm}"), state) as up:
        text = await outcome(up, 1)
    assert "bad.wasm" in text
    assert "not a WebAssembly module" in text


async def test_a_port_in_use_is_named(state: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as blocker:
        port = blocker.getsockname()[1]
        file = topology(tmp_path, f'{{image: python, ports: ["{port}:80"]}}')
        async with podnet_up(file, state) as up:
            text = await outcome(up, 1)
    assert f"error: port {port} on 127.0.0.1 is in use" in text


async def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = topology(tmp_path, "{image: python}")
    async with podnet_up(file, tmp_path / "file") as up:
        text = await outcome(up, 1)
    assert "error: state folder " in text


async def test_a_node_that_is_killed_is_told_and_its_pods_come_back(
    state: Path, tmp_path: Path
) -> None:
    program = "import time; print('up', flush=True); time.sleep(1000)"
    file = topology(tmp_path, f'{{image: python, command: [python, -c, "{program}"]}}')
    async with podnet_up(file, state) as up:
        await up.until(lambda line: line == "web-1 | up\n")
        for pid in up.node_pids():
            os.kill(pid, signal.SIGKILL)
        await up.until(lambda line: "node lost (signal SIGKILL" in line)
        await up.until(lambda line: line.startswith("web-1: running, restarted 1x: node lost"))
        assert await up.end(signal.SIGINT) == 130


async def test_a_flooding_guest_leaves_bounded_logs_and_goes_down_at_once(
    state: Path, tmp_path: Path
) -> None:
    program = "import sys\\nwhile True: sys.stdout.write('y\\\\n' * 10000)"
    file = topology(tmp_path, f'{{image: python, command: [python, -c, "{program}"]}}')
    async with podnet_up(file, state) as up:
        await up.until(lambda line: line == "web-1 | y\n")
        assert await up.end(signal.SIGINT) == 130
    size = sum(path.stat().st_size for path in (state / "test" / "logs").iterdir())
    assert size < 16 * 1024 * 1024
