"""CPython in pods, on its way to real HTTP servers on this machine's loopback."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, ip_address

import pytest

from tests.pod_node.guests.python.conftest import FABRIC_BYTES, PodNetwork
from tests.support.lab import FRONT_GATEWAY, lab, python_image
from vnet.configuration import Egress, NetworkConfiguration
from vnet.gateway import parse_rule
from vnet.gateway.dial import Address

BIG = bytes(range(256)) * (48 << 12)  # 48 MiB


class Handler(BaseHTTPRequestHandler):
    """Answers POST with the digest of the body, GET with many bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(BIG if self.path == "/big" else b"hello " + self.headers["Host"].encode())

    def do_POST(self) -> None:
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            part = self.rfile.read(min(left, 1 << 16))
            digest.update(part)
            left -= len(part)
        self._answer(digest.hexdigest().encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


async def resolve(name: str) -> list[Address]:
    return [ip_address("127.0.0.1")]


@pytest.fixture
async def pods(port: int) -> AsyncIterator[PodNetwork]:
    image = python_image()
    async with lab(FABRIC_BYTES, resolve=resolve) as bench:
        network = PodNetwork(bench.runtime, image)
        rules = (f"*.example.com:{port}", f"127.0.0.1:{port}")
        egress = tuple(
            Egress(service=f"pod-{number}", rules=tuple(map(parse_rule, rules)))
            for number in range(1, 5)
        )
        bench.runtime.configure_network(NetworkConfiguration(gateway=True, egress=egress))
        yield network


async def test_urllib_reads_from_an_allowed_name(pods: PodNetwork, port: int) -> None:
    url = f"http://api.example.com:{port}/"
    printed = await pods.boot("/programs/download.py", url, "0").finished()
    body = f"hello api.example.com:{port}".encode()
    assert printed.split() == ["200", str(len(body)), hashlib.sha256(body).hexdigest()]


async def test_big_transfers_arrive_whole_in_both_directions(pods: PodNetwork, port: int) -> None:
    down = pods.boot("/programs/download.py", f"http://a.example.com:{port}/big", "0")
    up = pods.boot("/programs/download.py", f"http://b.example.com:{port}/", str(len(BIG)))
    digest = hashlib.sha256(BIG).hexdigest()
    assert (await down.finished()).split() == ["200", str(len(BIG)), digest]
    body = digest.encode()
    assert (await up.finished()).split() == ["200", "64", hashlib.sha256(body).hexdigest()]


async def test_python_sees_denials_as_errors_of_its_own(pods: PodNetwork, port: int) -> None:
    program = f"""
        import errno, socket
        def outcome(host, port):
            try:
                socket.create_connection((host, port)).close()
            except OSError as error:
                return type(error).__name__, error.errno and errno.errorcode.get(error.errno)
            return "connected"
        print(outcome("example.com", {port}))
        print(outcome("api.example.com", {port} % 65535 + 1))
        print(outcome("192.0.2.1", {port}))
        print(outcome("api.example.com", {port}))
    """
    printed = await pods.run(program).finished()
    assert printed.splitlines() == [
        "('gaierror', None)",
        "('PermissionError', 'EACCES')",
        "('PermissionError', 'EACCES')",
        "connected",
    ]


async def test_asyncio_connects_to_the_world_outside(pods: PodNetwork, port: int) -> None:
    program = f"""
        import asyncio
        async def fetch(name):
            reader, writer = await asyncio.open_connection(name, {port})
            request = "GET / HTTP/1.0\\r\\nHost: " + name + "\\r\\n\\r\\n"
            writer.write(request.encode())
            answer = await reader.read()
            writer.close()
            return answer.partition(b"\\r\\n\\r\\n")[2].decode()
        async def main():
            names = [f"n{{i}}.example.com" for i in range(20)]
            answers = await asyncio.gather(*map(fetch, names))
            print(answers == ["hello " + name for name in names])
        asyncio.run(main())
    """
    assert await pods.run(program).finished() == "True\n"


async def test_a_program_with_a_resolver_of_its_own_finds_names(pods: PodNetwork) -> None:
    many = [IPv4Address(0x0A0A0100 + index) for index in range(100)]
    pods.publish({"crowd": many, "api": many[:1], "api.front": many[:1]})
    names = ["api", "API.Front", "crowd", "api.example.com", "example.com", "nobody"]
    printed = await pods.boot("/programs/dig.py", FRONT_GATEWAY, *names).finished()
    lines = [line.rstrip().split(" ") for line in printed.splitlines()]
    assert [line[:4] for line in lines] == [
        ["api", "udp", "0", "1"],
        ["API.Front", "udp", "0", "1"],
        ["crowd", "tcp", "0", "100"],
        ["api.example.com", "udp", "0", "1"],
        ["example.com", "udp", "3", "0"],
        ["nobody", "udp", "3", "0"],
    ]
    assert lines[0][4] == lines[1][4] == "10.10.1.0"
    assert lines[3][4].startswith("198.18.")


async def test_a_stand_in_from_dns_can_be_connected_to(pods: PodNetwork, port: int) -> None:
    program = f"""
        import contextlib, io, runpy, socket, sys
        heard = io.StringIO()
        sys.argv = ["dig.py", "{FRONT_GATEWAY}", "api.example.com"]
        with contextlib.redirect_stdout(heard):
            runpy.run_path("/programs/dig.py", run_name="__main__")
        address = heard.getvalue().split()[-1]
        with socket.create_connection((address, {port})) as connection:
            connection.sendall(b"GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n")
            print(connection.makefile("rb").read().split()[-1].decode())
    """
    assert await pods.run(program).finished() == "x\n"
