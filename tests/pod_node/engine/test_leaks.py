"""Pods come and go, and nothing of them stays: in the fabric, in the process, in the system."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pod_node.spec import ExitKind, Interface, Mount, PodSpec
from tests.support.lab import NETWORKS, Guest, Lab, declare, lab, python_image
from tests.support.wat import Import, command_text

_OPEN = """(drop (call $path_open (i32.const 4) (i32.const 0) (i32.const {at}) (i32.const {size})
  (i32.const 0) (i64.const 0) (i64.const 0) (i32.const {flags}) (i32.const {fd})))"""


def messy_guest() -> str:
    """A guest with a listener, connections, an open pair, waiting connects, unread datagrams and a
    file; it blocks."""
    paths = {
        "tcp/listen/0.0.0.0/80": 4,
        "tcp/connect/127.0.0.1/80": 0,
        "tcp/connect/localhost/80": 4,
        "tcp/pair": 0,
        "udp/bind/0.0.0.0/53": 0,
        "udp/connect/127.0.0.1/53": 0,
        "hostname": 0,
        "ctl": 0,
    }
    body, data, at = [], [], 1024
    for index, (path, flags) in enumerate(paths.items()):
        data.append(f'(data (i32.const {at}) "{path}")')
        body.append(_OPEN.format(at=at, size=len(path), flags=flags, fd=64 + 4 * index))
        at += 64
    waiting = _OPEN.format(at=1024 + 64, size=24, flags=4, fd=128)
    body += [waiting] * 10
    body.append(
        """(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const 1)
          (i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 100)))
        (i32.store (i32.const 8) (i32.const 4096)) (i32.store (i32.const 12) (i32.const 30000))
        (drop (call $fd_write (i32.load (i32.const 68)) (i32.const 8) (i32.const 1)
          (i32.const 4)))
        (drop (call $fd_write (i32.load (i32.const 84)) (i32.const 8) (i32.const 1)
          (i32.const 4)))
        (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))
        (drop (call $fd_read (i32.load (i32.const 76)) (i32.const 8) (i32.const 1)
          (i32.const 4)))"""
    )
    text = command_text(" ".join(body), _calls(), "2 16")
    return text[:-1] + "\n".join([*data, '(data (i32.const 2048) "f"))'])


def _calls() -> tuple[Import, ...]:
    return declare("path_open", "fd_write", "fd_read")


def status(field: str) -> int:
    """A number of `/proc/self/status`."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split(f"{field}:")[1].split()[0])


@dataclass(frozen=True)
class Footprint:
    """What a process takes of the system."""

    threads: int
    files: int
    maps: int
    """Without the stacks and guards of the engine's own pool of threads, which come and go."""
    mapped_gib: int
    """A guest's memory alone reserves four."""

    @classmethod
    def now(cls) -> Footprint:
        gc.collect()
        return cls(
            threads=threading.active_count(),
            files=len(os.listdir("/proc/self/fd")),
            maps=len(Path("/proc/self/maps").read_bytes().splitlines()) - 2 * status("Threads"),
            mapped_gib=status("VmSize") >> 20,
        )

    def assert_not_above(self, earlier: Footprint) -> None:
        """Some slack is for arenas of malloc and cached stacks; a leak would take much more."""
        assert self.threads == earlier.threads
        assert self.files <= earlier.files  # files of the warm-up may close after it was measured
        assert self.maps <= earlier.maps + 80
        assert self.mapped_gib <= earlier.mapped_gib + 3


def boot_messy(pods: Lab, folder: Path, count: int) -> list[Guest]:
    mount = Mount(source=folder, target="/work")
    return [pods.boot_text(messy_guest(), mounts=(mount,)) for _ in range(count)]


async def all_of(guests: list[Guest], condition: Callable[[Guest], object]) -> None:
    for guest in guests:
        await guest.until(condition)


async def kill_all(guests: list[Guest]) -> None:
    for guest in guests:
        guest.kill()
    for guest in guests:
        assert (await guest.end()).kind is ExitKind.KILLED


async def test_five_hundred_pods_leave_nothing(pods: Lab, tmp_path: Path) -> None:
    warm = boot_messy(pods, tmp_path, 25)
    await all_of(warm, lambda guest: len(guest.output) == 30000)
    await kill_all(warm)
    fabric, system = pods.statistics(), Footprint.now()
    for _ in range(20):
        guests = boot_messy(pods, tmp_path, 25)
        await all_of(guests[:20], lambda guest: len(guest.output) == 30000)
        await kill_all(guests)  # the last few wherever they are
    assert pods.statistics() == fabric
    Footprint.now().assert_not_above(system)


async def test_pods_that_end_in_every_way_leave_nothing(pods: Lab) -> None:
    texts = [
        command_text(""),
        command_text("unreachable"),
        command_text("(call $proc_exit (i32.const 200))", declare("proc_exit")),
        '(module (memory (export "memory") 1) (func $f unreachable) (start $f)'
        ' (func (export "_start")))',
        '(module (memory (export "memory") 1) (memory 1) (func (export "_start")))',
    ]

    async def round_of_ends() -> None:
        for guest in [pods.boot_text(text) for text in texts for _ in range(5)]:
            await guest.end()

    await round_of_ends()
    fabric, system = pods.statistics(), Footprint.now()
    for _ in range(5):
        await round_of_ends()
    assert pods.statistics() == fabric
    Footprint.now().assert_not_above(system)


async def test_connections_between_pods_leave_nothing_whoever_ends_first(pods: Lab) -> None:
    async def meet(first_to_end: int) -> None:
        pair = [await pods.puppet(), await pods.puppet()]
        listener = await pair[0].listen()
        _, port = await pair[0].local(listener)
        near = await pair[1].connect(pair[0].guest.address, port)
        far = await pair[0].accept(listener)
        await pair[1].connect(pair[0].guest.address, port)
        await pair[0].write(far, bytes(20_000))
        await pair[1].write(near, bytes(20_000))
        await pair[first_to_end].kill()
        await pair[1 - first_to_end].kill()
        for puppet in pair:
            puppet.hang_up()
            await puppet.hung_up()

    await meet(0)
    await meet(1)
    before = pods.statistics()
    for _ in range(10):
        await meet(0)
        await meet(1)
    assert pods.statistics() == before


async def test_fabrics_are_given_back_whole() -> None:
    async def use() -> None:
        writers: list[asyncio.StreamWriter] = []
        async with lab() as pods:
            await pods.puppet()
            server = await pods.runtime.endpoint.start_server(
                lambda reader, writer: writers.append(writer), "10.10.0.1", 0
            )
            writers.append((await pods.runtime.endpoint.open_connection(*server.address))[1])
        for writer in writers:
            await writer.wait_closed()

    for _ in range(3):
        await use()
    before = Footprint.now()
    for _ in range(10):
        await use()
    Footprint.now().assert_not_above(before)


@pytest.mark.slow
async def test_python_pods_leave_nothing(pods: Lab) -> None:
    image = python_image()
    program = (
        "import socket\n"
        "server = socket.create_server(('', 80))\n"
        "client = socket.create_connection(('127.0.0.1', 80))\n"
        "print('up', flush=True)\n"
        "server.accept()[0].recv(1)\n"
    )

    async def round_of_pods(count: int) -> None:
        guests = []
        for _ in range(count):
            interface = pods.interface("front")
            spec = PodSpec(
                name=f"python-{interface.address}".replace(".", "-"),
                service="python",
                image="python",
                command=("python", "-c", program),
                interfaces=(
                    Interface(
                        network="front",
                        address=interface.address,
                        prefix=NETWORKS["front"].prefixlen,
                    ),
                ),
            )
            guest = Guest(spec.name, str(interface.address))
            guest.pod = pods.runtime.boot(spec, image, guest.hear, guest.ended)
            guests.append(guest)
        for guest in guests:
            await guest.printed(b"up")
        await kill_all(guests)

    await round_of_pods(8)  # as many as later: the host's descriptor table grows once
    fabric, system = pods.statistics(), Footprint.now()
    await round_of_pods(8)
    await round_of_pods(8)
    assert pods.statistics() == fabric
    Footprint.now().assert_not_above(system)
