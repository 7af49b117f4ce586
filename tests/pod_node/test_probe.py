from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck as Suppress
from hypothesis import given, settings
from hypothesis import strategies as st

from pod_node.errors import ExecError
from pod_node.health import Health, HealthChanged, ProbeFailed, ProbeSucceeded
from pod_node.probe import probe, watch
from pod_node.spec import HealthCheck, ProbeKind
from tests.support.pods import LOOPBACK, tcp_check

MANY = 100
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    writers: list[asyncio.StreamWriter] = []
    busy = asyncio.Semaphore(MANY)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        async with busy:
            with suppress(OSError, EOFError):
                await serve(reader, writer)
            await closed(writer)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for writer in writers:
            await closed(writer)
        for _ in range(MANY):
            await busy.acquire()


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def answering(answer: bytes, seen: list[bytes] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(answer)
        await writer.drain()

    return serve


async def no_program(command: tuple[str, ...]) -> tuple[int, str]:
    raise AssertionError("a probe over a connection runs no command")


async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def http_check(port: int, path: str = "/health", timeout_s: float = 5.0) -> HealthCheck:
    return HealthCheck(kind=ProbeKind.HTTP, port=port, path=path, timeout_s=timeout_s)


async def test_a_tcp_probe_succeeds_when_the_connection_opens() -> None:
    async with server(until_closed) as port:
        outcome = await probe(tcp_check(port), LOOPBACK, asyncio.open_connection, no_program)
    assert outcome == ProbeSucceeded()


async def test_a_tcp_probe_fails_when_nobody_listens() -> None:
    async with server(until_closed) as port:
        pass
    outcome = await probe(tcp_check(port), LOOPBACK, asyncio.open_connection, no_program)
    assert isinstance(outcome, ProbeFailed)
    assert f"127.0.0.1:{port}" in outcome.reason


@pytest.mark.parametrize("status", [200, 204, 301, 399])
async def test_an_http_probe_takes_2xx_and_3xx(status: int) -> None:
    seen: list[bytes] = []
    async with server(answering(f"HTTP/1.1 {status} X\r\n\r\n".encode(), seen)) as port:
        outcome = await probe(http_check(port), LOOPBACK, asyncio.open_connection, no_program)
    assert outcome == ProbeSucceeded()
    assert seen[0].startswith(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\n",
        b"HTTP/1.1 199 X\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 2x0 X\r\n",
        b"HTTP/1.1\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 " + b"2" * 100_000,
        b"",
    ],
)
async def test_an_http_probe_refuses_everything_else(answer: bytes) -> None:
    async with server(answering(answer)) as port:
        outcome = await probe(http_check(port), LOOPBACK, asyncio.open_connection, no_program)
    assert isinstance(outcome, ProbeFailed)


async def test_a_probe_without_an_answer_fails_after_its_timeout() -> None:
    async with server(until_closed) as port:
        check = http_check(port, timeout_s=0.02)
        outcome = await probe(check, LOOPBACK, asyncio.open_connection, no_program)
    assert outcome == ProbeFailed(f"127.0.0.1:{port}: no answer in 0.02 s")


@given(path=st.text(max_size=40))
@settings(max_examples=25, deadline=None, suppress_health_check=[Suppress.too_slow])
def test_no_path_can_break_the_request(path: str) -> None:
    seen: list[bytes] = []

    async def ask() -> None:
        async with server(answering(b"HTTP/1.1 200 OK\r\n\r\n", seen)) as port:
            await probe(http_check(port, "/" + path), LOOPBACK, asyncio.open_connection, no_program)

    asyncio.run(ask())
    assert seen[0].count(b"\r\n") == 4
    assert seen[0].split(b"\r\n")[0].count(b" ") == 2


@given(answer=st.binary(max_size=64))
@settings(max_examples=25, deadline=None, suppress_health_check=[Suppress.too_slow])
def test_no_answer_can_break_the_probe(answer: bytes) -> None:
    async def ask() -> None:
        async with server(answering(answer)) as port:
            outcome = await probe(http_check(port), LOOPBACK, asyncio.open_connection, no_program)
            assert isinstance(outcome, ProbeSucceeded | ProbeFailed)

    asyncio.run(ask())


async def never(address: str, port: int) -> None:
    """Nobody ever listens, as far as one is told."""
    await asyncio.Event().wait()


async def test_a_pod_is_probed_when_it_begins_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pod_node.health.EARLY_PROBE_S", 1000.0)
    opened, changes = asyncio.Event(), asyncio.Queue[HealthChanged]()
    asked: list[tuple[str, int]] = []

    async def listener(address: str, port: int) -> None:
        asked.append((address, port))
        await opened.wait()

    async with server(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port, asyncio.TaskGroup() as group:
        check = replace(http_check(port), interval_s=1000.0)
        watching = group.create_task(
            watch(
                check,
                LOOPBACK,
                asyncio.open_connection,
                listener,
                no_program,
                changes.put_nowait,
            )
        )
        await asyncio.sleep(0)
        assert changes.empty()
        opened.set()
        assert (await changes.get()).health is Health.HEALTHY
        assert asked == [(str(LOOPBACK), port)]
        watching.cancel()


async def test_a_pod_that_is_gone_is_still_probed_by_the_clock() -> None:
    changes: asyncio.Queue[HealthChanged] = asyncio.Queue()

    async def listener(address: str, port: int) -> None:
        raise ConnectionAbortedError

    async with server(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port, asyncio.TaskGroup() as group:
        watching = group.create_task(
            watch(
                http_check(port),
                LOOPBACK,
                asyncio.open_connection,
                listener,
                no_program,
                changes.put_nowait,
            )
        )
        assert (await changes.get()).health is Health.HEALTHY
        watching.cancel()


async def test_watching_tells_each_change_of_health() -> None:
    changes: asyncio.Queue[HealthChanged] = asyncio.Queue()
    answer = [b"HTTP/1.1 200 OK\r\n\r\n"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(answer[0])(reader, writer)

    async with server(serve) as port, asyncio.TaskGroup() as group:
        check = replace(http_check(port), interval_s=0.005, retries=2)
        watching = group.create_task(
            watch(
                check,
                LOOPBACK,
                asyncio.open_connection,
                never,
                no_program,
                changes.put_nowait,
            )
        )
        assert (await changes.get()).health is Health.HEALTHY
        answer[0] = b"HTTP/1.1 500 Oh\r\n\r\n"
        unhealthy = await changes.get()
        assert unhealthy.health is Health.UNHEALTHY
        assert unhealthy.reason.endswith("/health: answered 500")
        answer[0] = b"HTTP/1.1 200 OK\r\n\r\n"
        assert (await changes.get()).health is Health.HEALTHY
        watching.cancel()


def command_check(timeout_s: float = 5.0) -> HealthCheck:
    return HealthCheck(kind=ProbeKind.COMMAND, command=("python", "-c", "x"), timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("status", "line", "outcome"),
    [
        (0, "all is well", ProbeSucceeded()),
        (3, "no disk", ProbeFailed("python -c x: ended with status 3: no disk")),
        (3, "", ProbeFailed("python -c x: ended with status 3")),
    ],
)
async def test_a_command_says_how_the_pod_is_by_its_status_and_its_last_line(
    status: int, line: str, outcome: ProbeSucceeded | ProbeFailed
) -> None:
    async def run(command: tuple[str, ...]) -> tuple[int, str]:
        assert command == ("python", "-c", "x")
        return status, line

    assert await probe(command_check(), None, asyncio.open_connection, run) == outcome


async def test_a_command_that_does_not_end_is_ended_and_has_failed() -> None:
    ended = asyncio.Event()

    async def run(command: tuple[str, ...]) -> tuple[int, str]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError("it waits for ever")

    outcome = await probe(command_check(0.01), None, asyncio.open_connection, run)
    assert outcome == ProbeFailed("python -c x: did not end in 0.01 s")
    assert ended.is_set()


async def test_a_command_that_cannot_be_run_has_failed() -> None:
    async def run(command: tuple[str, ...]) -> tuple[int, str]:
        raise ExecError("web-1", "python", "the pod is ending")

    outcome = await probe(command_check(), None, asyncio.open_connection, run)
    assert outcome == ProbeFailed("pod web-1 cannot run python: the pod is ending")
