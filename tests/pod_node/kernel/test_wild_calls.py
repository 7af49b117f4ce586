"""Guests that call everything with anything: none of it reaches the node or another pod.

Hypothesis writes scripts of calls; each runs in a guest of its own beside a neighbour that must go
on echoing. A script's guest may block, exit, or confuse itself; it may not trap, because no
argument is a trap. Every second one has the same files as a layer below a root of its own, and what
it does reaches no byte of them.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod_node.files import Roots
from pod_node.spec import ExitKind
from tests.support.lab import Guest, Lab, lab, pod_imports
from tests.support.puppet import Puppet
from tests.support.wasi import ALL_RIGHTS
from tests.support.wat import SCRIPT_PAGES, Import, Op, record

END_OF_MEMORY = SCRIPT_PAGES << 16
PATHS, STRUCTURES, FREE = 2048, 4096, 8192
STUCK_S = 0.05
"""How long a script that seems to block is left to it."""

_NUMBERS = {function.name: index for index, function in enumerate(pod_imports())}
_WANTED = [function for function in pod_imports() if function.name != "proc_exit"]
_PATH_LIST = (
    "file", "folder", "folder/inner", "link", "..", "../..", "/", ".", "", "new", "tcp/socket",
    "tcp/pair", "tcp/listen/0.0.0.0/0", "tcp/connect/127.0.0.1/80", "tcp/accept/1", "ctl",
    "hostname", "interfaces", "dns/localhost", "sock/1/options", "tcp", "localhost",
    "udp/bind/0.0.0.0/9", "udp/connect/127.0.0.1/9", "udp/socket", "work/file", "work/folder/inner",
    "work/link", "work/new", "folder/new", "dev/zero",
)  # fmt: skip
"""At `PATHS`, 32 bytes each; scripts point at them."""


def _call(name: str, *arguments: int) -> bytes:
    return record(Op.CALL, _NUMBERS[name], *arguments)


def _prelude() -> list[bytes]:
    """Open one descriptor of each kind (from 4 on), all non-blocking."""
    opened = FREE - 16
    net = [
        _call("path_open", 4, 0, PATHS + 32 * index, len(_PATH_LIST[index]), 0, 0, 0, 4, opened)
        for index in (10, 11, 12, 15, 16, 19, 22, 23)
    ]
    host = [
        _call("path_open", 3, 1, PATHS + 32 * index, len(_PATH_LIST[index]), 1, rights, rights,
              4, opened)
        for index, rights in ((0, ALL_RIGHTS), (1, 1 << 14 | 2))
    ]  # fmt: skip
    return net + host


def _memory() -> bytes:
    """What scripts find at `PATHS` and at `STRUCTURES`."""
    paths = b"".join(path.encode().ljust(32, b"\0") for path in _PATH_LIST)
    vectors = struct.pack(
        "<8I", FREE, 64, END_OF_MEMORY - 8, 8, END_OF_MEMORY - 8, 9, 0xFFFFFFF0, 0x20
    )
    subscriptions = b"".join(
        struct.pack("<QB7xI28x", index, kind, fd)
        for index, (kind, fd) in enumerate([(1, 5), (2, 5), (1, 99), (2, 1)])
    ) + struct.pack("<QB7xI4xQQH6x", 9, 0, 1, 1000, 0, 0)
    address = struct.pack("<II4B", STRUCTURES + 1024 + 8, 4, 127, 0, 0, 1)
    structures = (vectors.ljust(256, b"\0") + subscriptions).ljust(1024, b"\0") + address
    return paths.ljust(STRUCTURES - PATHS, b"\0") + structures


_small = st.integers(0, 16)
_edges = st.sampled_from(
    [0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, END_OF_MEMORY - 1,
     END_OF_MEMORY - 4, END_OF_MEMORY - 8, END_OF_MEMORY, END_OF_MEMORY + 1, 1 << 63, (1 << 64) - 1]
)  # fmt: skip
_pointers = st.one_of(
    st.integers(0, END_OF_MEMORY),
    st.sampled_from([PATHS + 32 * index for index in range(len(_PATH_LIST))]),
    st.sampled_from([STRUCTURES + 8 * index for index in range(4)] + [STRUCTURES + 256]),
    st.just(STRUCTURES + 1024),
    st.integers(FREE, FREE + 4096).map(lambda at: at & ~7),
)
_arguments = st.one_of(_small, _pointers, _edges, st.integers(0, (1 << 64) - 1))


@st.composite
def _calls(draw: st.DrawFn) -> bytes:
    function: Import = draw(st.sampled_from(_WANTED))
    arguments = [draw(_arguments) for _ in function.parameters]
    if arguments and function.name.startswith(("fd_", "sock_", "path_")) and draw(st.booleans()):
        arguments[0] = draw(_small)
    return _call(function.name, *arguments)


_scripts = st.lists(_calls(), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all examples, so that they share a fabric."""
    with asyncio.Runner() as opened:
        yield opened


class Beside:
    """A fabric with a neighbour, on which scripts are run."""

    def __init__(self, pods: Lab, neighbour: Puppet, folder: Path) -> None:
        self._pods = pods
        self._roots = Roots(folder / "state")
        self._layers: list[Path] = []
        self._neighbour = neighbour
        self._folder = folder
        self._scripts = 0

    async def echo(self) -> None:
        """The neighbour talks to itself over a new connection."""
        neighbour = self._neighbour
        listener = await neighbour.listen()
        _, port = await neighbour.local(listener)
        client = await neighbour.connect(neighbour.guest.address, port)
        server = await neighbour.accept(listener)
        await neighbour.write(client, b"echo")
        assert await neighbour.read(server) == b"echo"
        for fd in (client, server, listener):
            await neighbour.close(fd)

    async def run(self, scripts: list[list[bytes]]) -> None:
        """Run scripts at once, each in a guest and a folder of its own."""
        guests = [self._boot(script) for script in scripts]
        await self.echo()
        for guest in guests:
            try:
                async with asyncio.timeout(STUCK_S):
                    await guest.end()
            except TimeoutError:
                guest.kill()
        for guest in guests:
            end = await guest.end()
            assert end.kind in (ExitKind.EXITED, ExitKind.KILLED), end
        await self.echo()
        while self._layers:
            layer = self._layers.pop()
            assert sorted(os.listdir(layer)) == ["file", "folder", "link", "script"]
            assert os.listdir(layer / "folder") == ["inner"]
            assert (layer / "file").read_text() == "text"

    def _boot(self, script: list[bytes]) -> Guest:
        self._scripts += 1
        folder = self._folder / str(self._scripts)
        (folder / "folder" / "inner").mkdir(parents=True)
        (folder / "file").write_text("text")
        (folder / "link").symlink_to("file")
        (folder / "script").write_bytes(b"".join([*_prelude(), *script]))
        if self._scripts % 2:
            return self._pods.boot_script(folder, PATHS, _memory())
        self._layers.append(folder)
        return self._pods.boot_script(folder, PATHS, _memory(), self._roots)


@pytest.fixture(scope="module")
def beside(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    context = lab()
    pods = runner.run(context.__aenter__())
    neighbour = runner.run(pods.puppet(name="neighbour"))
    yield Beside(pods, neighbour, tmp_path_factory.mktemp("scripts"))
    runner.run(context.__aexit__(None, None, None))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts=st.lists(_scripts, min_size=4, max_size=8))
def test_any_calls_with_any_arguments_harm_nobody(
    runner: asyncio.Runner, beside: Beside, scripts: list[list[bytes]]
) -> None:
    runner.run(beside.run(scripts))


@pytest.mark.parametrize("function", [function.name for function in _WANTED])
def test_every_call_takes_the_worst_arguments(
    runner: asyncio.Runner, beside: Beside, function: str
) -> None:
    """All arguments at one edge, then each in turn at an edge and the others harmless."""
    count = next(len(one.parameters) for one in _WANTED if one.name == function)
    edges = (0, 0xFFFFFFFF, 0xFFFFFFF0, END_OF_MEMORY, END_OF_MEMORY - 1, (1 << 64) - 1)
    calls = [_call(function, *[edge] * count) for edge in edges]
    for position in range(count):
        for edge in edges:
            for fd in (1, 3, 4, 5, 6, 7, 11):
                arguments = [fd, *[FREE] * (count - 1)][:count]
                arguments[position] = edge
                calls.append(_call(function, *arguments))
    runner.run(beside.run([calls, calls]))
