"""Captures of real pods' traffic, read by tshark."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pod_node.engine import EngineRuntime
from pod_node.engine.errors import CaptureRefusedError
from tests.pod_node.guests.python.conftest import PodNetwork, RunningPod
from tests.support.lab import lab, python_image
from tests.support.nodes import twin_lab
from vnet.capture import CapturedPacket, CapturePlace, InterfacePlace, LinkPlace, pcapng
from vnet.configuration import Group, Hop, Link, LinkParameters, NetworkConfiguration, Route
from vnet.ping import EchoOutcome

BODY = b"0123456789abcdef" * 4096
SERVER = f"""
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"0123456789abcdef" * {len(BODY) // 16}
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("", 8000), Handler)
print("listening", flush=True)
server.serve_forever()
"""
CLIENT = """
import http.client

connection = http.client.HTTPConnection("10.10.0.2", 8000)
for _ in range(3):
    connection.request("GET", "/")
    assert len(connection.getresponse().read()) == 65536
connection.close()
"""


@dataclass
class Seen:
    """What a capture has reported so far."""

    packets: list[CapturedPacket] = field(default_factory=list)
    lost: int = 0


@asynccontextmanager
async def watching(
    runtime: EngineRuntime, place: CapturePlace, snapshot_bytes: int = 0
) -> AsyncIterator[Seen]:
    """Collect what passes a place; all of it is there after the block."""
    seen = Seen()
    begun = asyncio.Event()

    async def collect() -> None:
        async with aclosing(runtime.capture(place, snapshot_bytes=snapshot_bytes)) as batches:
            begun.set()
            async for batch in batches:
                seen.packets += batch.packets
                seen.lost += batch.lost

    async with asyncio.TaskGroup() as group:
        task = group.create_task(collect())
        await begun.wait()
        await asyncio.sleep(0)  # the generator opens its ring with its first step
        yield seen
        known = -1
        while known < len(seen.packets):  # batches follow one another while packets pass
            known = len(seen.packets)
            await asyncio.sleep(0.05)
        task.cancel()


def written(path: Path, seen: Seen) -> Path:
    blocks = [pcapng.section(), pcapng.interface("test"), *map(pcapng.packet_block, seen.packets)]
    path.write_bytes(b"".join(blocks))
    return path


def tshark(path: Path, *arguments: str) -> list[str]:
    """The lines that tshark prints of a file, with every checksum checked."""
    checks = [f"-o{protocol}.check_checksum:TRUE" for protocol in ("ip", "tcp", "udp")]
    done = subprocess.run(
        ["tshark", "-n", *checks, "-r", str(path), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def fields(path: Path, chosen: str, *names: str) -> list[tuple[str, ...]]:
    asked = [word for name in names for word in ("-e", name)]
    return [tuple(line.split("\t")) for line in tshark(path, "-Y", chosen, "-T", "fields", *asked)]


@pytest.fixture
async def runtime(request: pytest.FixtureRequest) -> AsyncIterator[EngineRuntime]:
    """One node, or two where the test asks for them too."""
    nodes = getattr(request, "param", 1)
    async with twin_lab(256 << 20) if nodes == 2 else lab(256 << 20) as bench:
        yield bench.runtime


BOTH = pytest.mark.parametrize("runtime", [1, 2], indirect=True, ids=["one node", "two nodes"])


@pytest.fixture
async def pods(runtime: EngineRuntime) -> PodNetwork:
    return PodNetwork(runtime, python_image())


@pytest.fixture
async def server(pods: PodNetwork) -> RunningPod:
    pod = pods.run(SERVER)
    await pod.printed("listening")
    return pod


@BOTH
async def test_tshark_finds_nothing_to_complain_about(
    runtime: EngineRuntime, pods: PodNetwork, server: RunningPod, tmp_path: Path
) -> None:
    place = InterfacePlace(IPv4Address(server.address))
    async with watching(runtime, place) as seen:
        await pods.run(CLIENT).finished()
    path = written(tmp_path / "http.pcapng", seen)
    assert seen.lost == 0
    complaints = fields(path, "_ws.expert.severity >= 0x00600000", "_ws.expert.message")
    assert complaints == []
    assert fields(path, "tcp.checksum.status != 1 || ip.checksum.status != 1", "frame.number") == []
    flags = [int(one, 0) for (one,) in fields(path, "tcp", "tcp.flags")]
    assert flags[:3] == [0x02, 0x12, 0x10]
    assert sum(bool(one & 1) for one in flags) == 2, "both ends say that they are done"
    requests = fields(path, "http.request", "http.request.method", "http.request.uri", "ip.src")
    assert requests == [("GET", "/", "10.10.0.3")] * 3
    answers = fields(path, "http.response", "http.response.code", "http.content_length")
    assert answers == [("200", "65536")] * 3
    follow = tshark(path, "-q", "-z", "follow,tcp,raw,0")
    assert BODY.hex() in "".join(line.strip() for line in follow)


@BOTH
async def test_one_that_begins_amid_a_connection_sees_the_rest(
    runtime: EngineRuntime, server: RunningPod, tmp_path: Path
) -> None:
    reader, writer = await runtime.endpoint.open_connection(server.address, 8000)

    async def fetch() -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(BODY)) == BODY

    await fetch()
    async with watching(runtime, InterfacePlace(IPv4Address(server.address))) as seen:
        await fetch()
    await fetch()
    writer.close()
    path = written(tmp_path / "later.pcapng", seen)
    assert fields(path, "tcp.flags.syn == 1", "frame.number") == []
    assert fields(path, "http.request", "http.request.uri") == [("/",)]
    sizes = [int(one) for (one,) in fields(path, "ip.src == 10.10.0.2", "tcp.len")]
    assert sum(sizes) > len(BODY)


@BOTH
async def test_a_link_shows_what_it_loses(
    runtime: EngineRuntime, pods: PodNetwork, server: RunningPod, tmp_path: Path
) -> None:
    lossy = LinkParameters(delay_ns=1_000_000, loss=0.05)
    runtime.configure_network(
        NetworkConfiguration(
            seed=7,
            groups=(
                Group(name="server", network="front", interfaces=(IPv4Address("10.10.0.2"),)),
                Group(name="client", network="front", interfaces=(IPv4Address("10.10.0.3"),)),
            ),
            links=(Link(name="line", forward=lossy, backward=LinkParameters(delay_ns=1_000_000)),),
            routes=(
                Route(source="server", target="client", hops=(Hop(link="line"),)),
                Route(source="client", target="server", hops=(Hop(link="line", backward=True),)),
            ),
        )
    )
    async with watching(runtime, LinkPlace(link="line")) as seen:
        await pods.run(CLIENT).finished()
    forward = runtime.network_statistics(flows=False).links[0]
    path = written(tmp_path / "link.pcapng", seen)
    lost = fields(path, 'frame.comment == "lost on this link"', "ip.src")
    assert lost == [("10.10.0.2",)] * forward.lost_packets
    assert lost
    assert len(seen.packets) > forward.packets


ASKER = """
import socket

one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
one.bind(("", 9000))
one.sendto(b"everybody", ("10.10.255.255", 8053))
one.connect(("10.10.0.2", 8053))
one.send(b"question")
assert one.recv(100) == b"answer"
one.connect(("10.10.0.2", 8054))
one.send(b"anybody?")
try:
    one.recv(100)
except ConnectionRefusedError:
    print("refused", flush=True)
input()
"""
ANSWERER = """
import socket

one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", 8053))
print("listening", flush=True)
assert one.recv(100) == b"everybody"
data, sender = one.recvfrom(100)
one.sendto(b"answer", sender)
one.recv(100)
"""


@BOTH
async def test_datagrams_refusals_and_echoes_are_what_they_are(
    runtime: EngineRuntime, pods: PodNetwork, tmp_path: Path
) -> None:
    server = pods.run(ANSWERER)
    await server.printed("listening")
    ends = IPv4Address("10.10.0.3"), IPv4Address("10.10.0.2")
    async with watching(runtime, InterfacePlace(ends[1])) as seen:
        await pods.run(ASKER).printed("refused")
        result = await runtime.ping(*ends, sequence=7, payload_bytes=56, timeout_s=5)
        assert result.outcome is EchoOutcome.REPLY
    path = written(tmp_path / "datagrams.pcapng", seen)
    assert fields(path, "_ws.expert.severity >= 0x00600000", "_ws.expert.message") == []
    assert fields(path, "udp && !icmp", "ip.src", "ip.dst", "udp.dstport", "udp.length") == [
        ("10.10.0.3", "10.10.255.255", "8053", "17"),
        ("10.10.0.3", "10.10.0.2", "8053", "16"),
        ("10.10.0.2", "10.10.0.3", "9000", "14"),
        ("10.10.0.3", "10.10.0.2", "8054", "16"),
    ]
    assert fields(path, "icmp", "icmp.type", "icmp.code", "icmp.seq", "udp.dstport") == [
        ("3", "3", "", "8054"), ("8", "0", "7", ""), ("0", "0", "7", ""),
    ]  # fmt: skip
    assert (
        fields(path, "udp.checksum.status == 0 || icmp.checksum.status == 0", "frame.number") == []
    )


@BOTH
async def test_packets_are_cut_to_the_length_that_is_asked_for(
    runtime: EngineRuntime, pods: PodNetwork, server: RunningPod, tmp_path: Path
) -> None:
    place = InterfacePlace(IPv4Address(server.address))
    async with watching(runtime, place, snapshot_bytes=60) as seen:
        await pods.run(CLIENT).finished()
    path = written(tmp_path / "short.pcapng", seen)
    assert max(len(packet.data) for packet in seen.packets) == 60
    assert max(packet.size_bytes for packet in seen.packets) > 1000
    assert len(fields(path, "tcp", "frame.number")) == len(seen.packets)


@pytest.mark.parametrize(
    "place", [InterfacePlace(IPv4Address("10.10.9.9")), LinkPlace(link="no such link")]
)
async def test_an_unknown_place_is_refused_by_name(
    runtime: EngineRuntime, place: CapturePlace
) -> None:
    with pytest.raises(CaptureRefusedError, match="is not on this node's network"):
        await anext(runtime.capture(place, snapshot_bytes=0))


async def test_a_capture_that_ends_leaves_nothing(
    runtime: EngineRuntime, server: RunningPod
) -> None:
    used = runtime.fabric.statistics()
    for _ in range(3):
        async with watching(runtime, InterfacePlace(IPv4Address(server.address))):
            pass
    assert runtime.fabric.statistics() == used
