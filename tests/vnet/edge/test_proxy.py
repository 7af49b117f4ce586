"""Requests and answers through a running portal."""

from __future__ import annotations

import asyncio
import shutil
import socket

import pytest

from tests.vnet.edge.rig import (
    HELLO,
    Seen,
    Serve,
    answering,
    echoing_h11,
    read_answer,
    running,
    then_close,
)


def _answer_by_name(name: bytes) -> Serve:
    return answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_pipelined_requests_are_answered_in_order() -> None:
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % n for n in range(5)]
    async with running(answering(*answers)) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head() * 5)
        for n in range(5):
            assert (await read_answer(reader))[2] == b"%d" % n
        writer.close()
        assert bytes(rig.replica.received[0]).count(b"GET / HTTP/1.1\r\n") == 5


async def test_both_sides_keep_their_connections() -> None:
    async with running(answering(HELLO)) as rig:
        reader, writer = await rig.connect()
        for _ in range(10):
            writer.write(rig.head())
            assert (await read_answer(reader))[2] == b"hello"
        writer.close()
        statistics = rig.server.statistics().portals[rig.portal.hostname]
        assert (rig.replica.accepted, statistics.upstream_connections) == (1, 1)
        assert (statistics.requests, statistics.responses_2xx) == (10, 10)


async def test_replicas_take_turns() -> None:
    async with running(_answer_by_name(b"a"), _answer_by_name(b"b")) as rig:
        reader, writer = await rig.connect()
        bodies = b""
        for _ in range(6):
            writer.write(rig.head())
            bodies += (await read_answer(reader))[2]
        writer.close()
        assert bodies in (b"ababab", b"bababa")


async def test_a_replica_that_refuses_is_skipped() -> None:
    async with running(_answer_by_name(b"a")) as rig:
        rig.portal.set_backends([("127.0.0.1", _free_port()), rig.replica.backend])
        reader, writer = await rig.connect()
        for _ in range(4):
            writer.write(rig.head())
            assert (await read_answer(reader))[2] == b"a"
        writer.close()


async def test_new_backends_serve_the_next_request_of_an_open_connection() -> None:
    async with running(_answer_by_name(b"a"), _answer_by_name(b"b")) as rig:
        first, second = (replica.backend for replica in rig.replicas)
        reader, writer = await rig.connect()
        rig.portal.set_backends([first])
        writer.write(rig.head())
        assert (await read_answer(reader))[2] == b"a"
        rig.portal.set_backends([second])
        writer.write(rig.head())
        assert (await read_answer(reader))[2] == b"b"
        writer.close()


async def test_a_portal_without_reachable_replicas_says_which_service_and_why() -> None:
    async with running() as rig:
        rig.portal.set_backends([("127.0.0.1", _free_port())])
        reader, writer = await rig.connect()
        writer.write(rig.head(b"GET / HTTP/1.1", b"Accept: text/html"))
        status, headers, body = await read_answer(reader)
        assert (status, dict(headers)[b"content-type"]) == (503, b"text/html; charset=utf-8")
        assert b"refused the connection" in body
        assert b"podnet logs web" in body
        rig.portal.set_backends([])
        writer.write(rig.head())  # the connection stayed usable
        status, _, body = await read_answer(reader)
        assert (status, b"no replica is ready" in body) == (503, True)
        writer.close()


async def test_a_replica_that_never_answers_the_dial_is_a_504() -> None:
    async def dial(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise TimeoutError

    async with running(answering(HELLO), dial=dial) as rig:
        assert (await rig.fetch(rig.head(b"GET / HTTP/1.0"))).startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"HEAD"])
async def test_an_idempotent_request_is_repeated_when_a_kept_connection_turns_out_closed(
    method: bytes,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")  # and close without an answer

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        for _ in range(2):
            writer.write(rig.head(method + b" / HTTP/1.1"))
            assert (await read_answer(reader, method))[0] == 200
        writer.close()
        assert rig.replica.accepted == 2
        assert rig.portal.counters.retries == 1


async def test_a_post_is_never_repeated() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        statuses = []
        for _ in range(2):
            writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: 0"))
            statuses.append((await read_answer(reader))[0])
        writer.close()
        assert statuses == [200, 502]
        assert rig.replica.accepted == 1


async def test_a_kept_connection_that_the_replica_closed_is_not_used_even_for_a_post() -> None:
    async with running(then_close(HELLO)) as rig:
        reader, writer = await rig.connect()
        for _ in range(3):
            rig.replica.closed.clear()
            writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: 0"))
            assert (await read_answer(reader))[0] == 200
            await rig.replica.closed.wait()
        writer.close()
        assert rig.replica.accepted == 3


async def test_an_answer_nobody_asked_for_is_not_given_to_the_next_request() -> None:
    stray = HELLO.replace(b"hello", b"stray")
    written = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO)
        await idle.wait()
        writer.write(stray)
        written.set()
        await reader.read()

    idle = asyncio.Event()
    async with running(serve, answering(HELLO)) as rig:
        rig.portal.set_backends([rig.replicas[0].backend])
        reader, writer = await rig.connect()
        writer.write(rig.head())
        assert (await read_answer(reader))[2] == b"hello"
        idle.set()
        await written.wait()
        writer.write(rig.head())
        assert (await read_answer(reader))[2] == b"hello"
        writer.close()
        assert rig.replica.accepted == 2


@pytest.mark.parametrize(
    ("method", "answer", "status", "length"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 200, b"99"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b"99"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, None),
    ],
)
async def test_answers_without_a_body_leave_the_connection_in_step(
    method: bytes, answer: bytes, status: int, length: bytes | None
) -> None:
    async with running(answering(answer)) as rig:
        reader, writer = await rig.connect()
        for _ in range(3):
            writer.write(rig.head(method + b" / HTTP/1.1"))
            found, headers, body = await read_answer(reader, method)
            assert (found, dict(headers).get(b"content-length"), body) == (status, length, b"")
        writer.close()
        assert rig.replica.accepted == 1


async def test_interim_answers_reach_the_client_first() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    async with running(answering(hints + hints + HELLO)) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        assert await reader.readexactly(len(hints) * 2) == hints * 2
        assert (await read_answer(reader))[2] == b"hello"
        writer.close()


async def test_interim_answers_are_kept_from_old_clients() -> None:
    async with running(answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HELLO)) as rig:
        answer = await rig.fetch(rig.head(b"GET / HTTP/1.0"))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_client_waits_for_100_continue_from_the_replica() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"Expect: 100-continue\r\n" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await reader.readexactly(5) == b"12345"
        writer.write(HELLO)
        await reader.read()

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 5"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"12345")
        assert (await read_answer(reader))[2] == b"hello"
        writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: 0"))
        writer.close()


async def test_an_early_refusal_reaches_a_client_that_is_still_sending() -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with running(then_close(refusal)) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Content-Length: 4000000") + b"x" * 300_000)
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        writer.close()
        assert rig.portal.counters.responses_4xx == 1


async def test_an_old_client_gets_a_body_that_ends_with_the_connection() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    async with running(answering(chunked)) as rig:
        answer = await rig.fetch(rig.head(b"GET / HTTP/1.0", b"Connection: keep-alive"))
        assert answer == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


async def test_an_old_client_may_keep_its_connection() -> None:
    async with running(answering(HELLO)) as rig:
        reader, writer = await rig.connect()
        for _ in range(2):
            writer.write(rig.head(b"GET / HTTP/1.0", b"Connection: keep-alive"))
            _, headers, body = await read_answer(reader)
            assert (dict(headers)[b"connection"], body) == (b"keep-alive", b"hello")
        writer.close()


async def test_connection_close_is_obeyed_and_announced() -> None:
    async with running(answering(HELLO)) as rig:
        answer = await rig.fetch(rig.head(b"GET / HTTP/1.1", b"Connection: close"))
        assert answer.endswith(b"Connection: close\r\n\r\nhello")


async def test_a_replica_that_ends_bodies_by_closing_does_not_end_the_clients_connection() -> None:
    async with running(then_close(b"HTTP/1.0 200 OK\r\n\r\nhello")) as rig:
        reader, writer = await rig.connect()
        for _ in range(3):
            writer.write(rig.head())
            _, headers, body = await read_answer(reader)
            assert (dict(headers)[b"transfer-encoding"], body) == (b"chunked", b"hello")
        writer.close()


async def test_trailers_travel_both_ways() -> None:
    seen: list[Seen] = []
    async with running(echoing_h11(seen)) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Trailer: X-Sum"))
        writer.write(b"5;ext\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n")
        assert (await read_answer(reader))[2] == b"hello"
        assert seen[0].trailers == [(b"x-sum", b"1")]
        writer.close()
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"
    )
    async with running(answering(chunked)) as rig:
        answer = await rig.fetch(rig.head(b"GET / HTTP/1.1", b"Connection: close"))
        assert answer.endswith(b"\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 103 X\r\n\r\n" * 20,
        b"",
        b"HTTP/1.1 200",
    ],
)
async def test_an_answer_that_breaks_the_rules_is_a_502_that_names_the_replica(
    answer: bytes,
) -> None:
    async with running(then_close(answer)) as rig:
        page = await rig.fetch(rig.head(b"GET / HTTP/1.1", b"Connection: close"))
        while page.startswith(b"HTTP/1.1 103 "):
            page = page.partition(b"\r\n\r\n")[2]
        assert page.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert b"%b:%d" % (rig.replica.backend[0].encode(), rig.replica.backend[1]) in page
        assert rig.server.statistics().idle_upstreams == 0


async def test_the_replica_learns_who_asked_for_what() -> None:
    seen: list[Seen] = []
    async with running(echoing_h11(seen)) as rig:
        await rig.fetch(
            rig.head(b"GET /a HTTP/1.1", b"X-Forwarded-For: 6.6.6.6", b"Connection: close")
        )
        assert seen[0].value(b"host") == rig.host
        assert seen[0].value(b"x-forwarded-host") == rig.host
        assert seen[0].value(b"x-forwarded-for") == b"127.0.0.1"
        assert seen[0].value(b"x-forwarded-proto") == b"http"


async def test_a_half_closed_client_still_gets_its_answer() -> None:
    async with running(answering(HELLO)) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head())
        writer.write_eof()
        assert (await reader.read()).endswith(b"\r\n\r\nhello")
        writer.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl_works() -> None:
    seen: list[Seen] = []
    async with running(echoing_h11(seen)) as rig:
        process = await asyncio.create_subprocess_exec(
            "curl",
            "-sS",
            "--data-binary",
            "@-",
            rig.server.url(rig.portal) + "up?x=1",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        body = b"0123456789" * 30_000
        output, _ = await process.communicate(body)
        assert output == body
        assert (seen[0].method, seen[0].target) == (b"POST", b"/up?x=1")
