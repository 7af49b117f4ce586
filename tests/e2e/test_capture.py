"""`podnet capture` beside a running deployment: files that tshark reads, pipes, lines, refusals."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.up import Up, podnet, podnet_up, write_outage

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterator

PCAPNG = bytes.fromhex("0a0d0d0a")
"""How a file begins."""
REFUSALS = (
    (("clent",), 1, 'nothing here is called "clent"; did you mean "client"?'),
    (("client", "severs"), 1, '"severs"'),
    (("client", "--filter", "tcp prot 80"), 1, 'filter "tcp prot 80", character 5: '),
    (("client", "--filter", "host nobody"), 1, "nobody"),
    (("client", "-n", "nowhere"), 1, "nowhere"),
    (("client", "-w", "/no/such/folder/x"), 1, "cannot write /no/such/folder/x"),
    (("client", "-c", "0"), 2, "0 is not in the range"),
    ((), 2, "Missing argument 'SERVICE|POD|A'"),
)
"""Arguments, the exit status, and words of the message."""
LINE = re.compile(
    r"\d\d:\d\d:\d\d\.\d{6} > 10\.30\.0\.\d+:\d+ > 10\.40\.0\.\d+:8000 tcp [A-Z,]+ \d+ bytes"
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def outage(tmp_path: Path) -> Path:
    """The example whose client asks its servers over slow links, without its schedule."""
    return write_outage(tmp_path)


@asynccontextmanager
async def running(topology: Path, state: Path) -> AsyncIterator[Up]:
    """A deployment whose client has been answered."""
    async with podnet_up(topology, state) as up:
        await up.until(lambda line: " ms  server-" in line)
        yield up
        assert await up.end(signal.SIGINT) == 130
        assert not any("Traceback" in line for line in up.err + up.out)


async def tshark(path: Path, chosen: str, *names: str) -> list[list[str]]:
    """The fields of the packets in a file that a display filter chooses."""
    asked = [word for name in names for word in ("-e", name)]
    process = await asyncio.create_subprocess_exec(
        *("tshark", "-n", "-otcp.check_checksum:TRUE", "-r", str(path), "-Y", chosen),
        *("-T", "fields", *asked),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return [line.split("\t") for line in out.decode().splitlines()]


async def capturing(state: Path, *arguments: str, stdout: int = asyncio.subprocess.PIPE) -> Process:
    """`podnet capture` as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main", "capture", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state), "PYTHONUNBUFFERED": "1"},
    )


async def test_tshark_reads_the_requests_of_a_captured_pod(
    state: Path, outage: Path, tmp_path: Path
) -> None:
    async with running(outage, state):
        file = tmp_path / "client.pcapng"
        wanted = ("client", "-w", str(file), "-c", "60", "--filter", "tcp port 8000")
        captured = await podnet(state, "capture", *wanted)
        assert (captured.status, captured.out) == (0, "")
        assert captured.err.startswith("capturing at client-1; Ctrl-C ends it\n60 packets captured")
        packets = await tshark(file, "frame", "frame.interface_name", "tcp.checksum.status")
        assert packets == [["client-1", "1"]] * 60
        requests = await tshark(file, "http.request", "http.request.method", "http.host", "ip.src")
        assert requests
        assert {tuple(one[:2]) for one in requests} == {("GET", "server:8000")}
        assert all(source.startswith("10.30.0.") for _, _, source in requests)
        assert await tshark(file, "_ws.expert.severity >= 0x00800000", "_ws.expert.message") == []


async def test_packets_of_a_link_are_shown_a_line_each(state: Path, outage: Path) -> None:
    async with running(outage, state):
        shown = await podnet(state, "capture", "client", "border", "-c", "5", "--filter", "tcp")
        assert (shown.status, len(shown.out.splitlines())) == (0, 5)
        assert any(LINE.match(line) for line in shown.out.splitlines()), shown.out
        assert "capturing at client--border; Ctrl-C ends it\n5 packets captured" in shown.err


async def test_a_pipe_gets_packets_at_once_and_its_reader_may_go_away(
    state: Path, outage: Path
) -> None:
    async with running(outage, state) as up:
        ours, theirs = os.pipe()
        process = await capturing(state, "server", "-w", "-", stdout=theirs)
        os.close(theirs)
        begin = await asyncio.to_thread(os.read, ours, 65_536)
        assert begin.startswith(PCAPNG)
        while b"HTTP/1.1" not in await asyncio.to_thread(os.read, ours, 65_536):
            pass
        os.close(ours)
        _, said = await process.communicate()
        assert process.returncode == 0
        assert said.decode().splitlines() == [
            "capturing at server-1, server-2; Ctrl-C ends it",
        ]
        asked = len(up.out)
        await up.until(lambda _: any(" ms  server-" in line for line in up.out[asked:]))


async def test_ctrl_c_ends_a_capture_that_is_whole(
    state: Path, outage: Path, tmp_path: Path
) -> None:
    async with running(outage, state):
        process = await capturing(state, "client-1", "-w", "-", "-s", "60")
        assert process.stdout is not None
        begin = await process.stdout.readexactly(2000)
        process.send_signal(signal.SIGINT)
        rest, said = await process.communicate()
        assert process.returncode == 0
        match = re.search(r"\n(\d+) packets captured\n$", said.decode())
        assert match is not None, said
        file = tmp_path / "until.pcapng"
        file.write_bytes(begin + rest)
        sizes = await tshark(file, "frame", "frame.cap_len")
        assert len(sizes) == int(match[1])
        assert max(int(size) for (size,) in sizes) == 60


async def test_what_cannot_be_captured_is_refused_by_name(state: Path, outage: Path) -> None:
    async with running(outage, state):
        for arguments, status, problem in REFUSALS:
            refused = await podnet(state, "capture", *arguments)
            assert (refused.status, refused.out) == (status, ""), refused
            assert problem in refused.err
            assert "Traceback" not in refused.err


async def test_a_terminal_gets_no_pcapng(state: Path, outage: Path) -> None:
    async with running(outage, state):
        ours, theirs = pty.openpty()
        process = await capturing(state, "client", "-w", "-", stdout=theirs)
        os.close(theirs)
        _, said = await process.communicate()
        os.close(ours)
        assert process.returncode == 2
        assert b"pcapng is not for terminals; pipe it on, or give -w a file" in said
