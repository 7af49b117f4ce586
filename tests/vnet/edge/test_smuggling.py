"""Hostile requests: each is refused, the connection ends, and no replica sees a byte."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vnet.edge.hostile import HOSTILE, REFUSED_OTHERWISE
from tests.vnet.edge.oracle import messages, requests_seen_by_h11
from tests.vnet.edge.rig import HELLO, Seen, answering, echoing_h11, running


def _without_response(answer: bytes) -> bytes:
    head, _, rest = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
    return rest[int(lengths[0].partition(b": ")[2]) :]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_request_gets_400_and_nothing_is_forwarded(name: str) -> None:
    async with running(answering(HELLO)) as rig:
        answer = await rig.fetch(HOSTILE[name].replace(b"{host}", rig.host))
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert b"Connection: close\r\n" in answer
        assert _without_response(answer) == b""
        assert rig.replica.accepted == 0


@pytest.mark.parametrize("name", REFUSED_OTHERWISE)
async def test_refused_request_is_not_forwarded(name: str) -> None:
    status, message = REFUSED_OTHERWISE[name]
    async with running(answering(HELLO)) as rig:
        reader, writer = await rig.connect()
        writer.write(message.replace(b"{host}", rig.host))
        writer.write_eof()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer
        assert rig.replica.accepted == 0
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_request_behind_a_good_one_is_not_forwarded(name: str) -> None:
    async with running(answering(HELLO)) as rig:
        good = rig.head(b"GET /good HTTP/1.1")
        answer = await rig.fetch(good + HOSTILE[name].replace(b"{host}", rig.host))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert _without_response(answer).startswith(b"HTTP/1.1 400 ")
        assert rig.replica.received[0].count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("tail", [b"5\r\nhelloXX", b"zz\r\n", b"0\r\nbad trailer\r\n\r\n", b"5\n"])
async def test_a_body_that_turns_bad_never_ends_towards_the_replica(tail: bytes) -> None:
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first")
        arrived.set()
        await reader.read()

    async with running(serve) as rig:
        reader, writer = await rig.connect()
        writer.write(rig.head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"))
        writer.write(b"5\r\nfirst\r\n")
        await arrived.wait()
        writer.write(tail)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        await rig.replica.closed.wait()
        assert bytes(rig.replica.received[0]).endswith((b"first", b"first\r\n"))
        writer.close()
        await writer.wait_closed()


@settings(max_examples=60, deadline=None)
@given(message=messages(), cuts=st.lists(st.integers(1, 40), max_size=12))
def test_what_replicas_see_is_what_a_strict_parser_sees(message: bytes, cuts: list[int]) -> None:
    async def scenario() -> None:
        seen: list[Seen] = []
        async with running(echoing_h11(seen)) as rig:
            raw = message.replace(b"{host}", rig.host)
            reader, writer = await rig.connect()
            rest = raw
            for cut in cuts:
                writer.write(rest[:cut])
                rest = rest[cut:]
                await writer.drain()
            writer.write(rest)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            assert answer.startswith(b"HTTP/1.1 ") or not answer
            expected = [each for each in requests_seen_by_h11(raw) if each.names(rig.host)]
            assert len(seen) <= len(expected)
            for mine, theirs in zip(seen, expected, strict=False):
                assert (mine.method, mine.body) == (theirs.method, theirs.body)
                assert theirs.target.endswith(mine.target)

    asyncio.run(scenario())
