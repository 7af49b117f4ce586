"""Run one pod's health check: dial, ask, tell the state machine.

Owns the three ways to ask (a TCP connection that opens; an HTTP GET answered 2xx or 3xx; a command
in the pod that ends with status 0) and the loop that keeps a `HealthMonitor`'s timers. What the
outcomes mean is decided in `health.py`. The dialler, who runs commands and the clock are arguments,
so that the same code runs over real sockets and over a fabric.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, assert_never
from urllib.parse import quote

from pod_node.errors import PodNodeError
from pod_node.health import (
    HealthChanged,
    HealthEvent,
    HealthMonitor,
    ListenerOpened,
    ProbeFailed,
    ProbeSucceeded,
    StartProbe,
    TimerFired,
)
from pod_node.spec import HealthCheck, ProbeKind

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from vnet.edge import Dial

TARGET_SAFE = "!$%&'()*+,/:;=?@~"
"""Characters of a request target that go out as they are (RFC 3986 section 3.3)."""

WaitForListener = Callable[[str, int], Awaitable[None]]
"""Waits until a program listens at an address and port; an `OSError` says that none ever will."""
OnHealth = Callable[[HealthChanged], None]
RunCommand = Callable[[tuple[str, ...]], Awaitable[tuple[int, str]]]
"""Runs a command in the pod: its exit status and the last line that it wrote. It is ended when
whoever waits for it is cancelled."""


async def probe(
    check: HealthCheck, address: IPv4Address | None, dial: Dial, run: RunCommand
) -> ProbeSucceeded | ProbeFailed:
    """Ask the pod once, within the check's timeout."""
    if check.kind is ProbeKind.COMMAND:
        return await _run(check, run)
    where = f"{address}:{check.port}"
    try:
        async with asyncio.timeout(check.timeout_s):
            return await _ask(check, str(address), where, dial)
    except TimeoutError:
        return ProbeFailed(f"{where}: no answer in {check.timeout_s:g} s")
    except OSError as error:
        return ProbeFailed(f"{where}: {error.strerror or error}")


async def watch(
    check: HealthCheck,
    address: IPv4Address | None,
    dial: Dial,
    listener: WaitForListener,
    run: RunCommand,
    on_health: OnHealth,
) -> None:
    """Probe a pod until cancelled and report each change of its health."""
    clock = asyncio.get_running_loop().time
    monitor = HealthMonitor(check, clock())
    heard = asyncio.Event()

    async def step(event: HealthEvent) -> None:
        for command in monitor.handle(event, clock()):
            match command:
                case StartProbe():
                    await step(await probe(check, address, dial, run))
                case HealthChanged():
                    on_health(command)
                case _:
                    assert_never(command)

    async def listen() -> None:
        with contextlib.suppress(OSError):
            await listener(str(address), check.port)
            await step(ListenerOpened())
            heard.set()

    async with asyncio.TaskGroup() as group:
        if check.kind is not ProbeKind.COMMAND:
            group.create_task(listen(), name="listener")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, (monitor.poll_at() or 0.0) - clock())):
                    await heard.wait()
            heard.clear()
            await step(TimerFired())


async def _run(check: HealthCheck, run: RunCommand) -> ProbeSucceeded | ProbeFailed:
    what = " ".join(check.command)
    try:
        async with asyncio.timeout(check.timeout_s):
            status, line = await run(check.command)
    except TimeoutError:
        return ProbeFailed(f"{what}: did not end in {check.timeout_s:g} s")
    except PodNodeError as error:
        return ProbeFailed(str(error))
    if status == 0:
        return ProbeSucceeded()
    return ProbeFailed(f"{what}: ended with status {status}" + (f": {line}" if line else ""))


async def _ask(
    check: HealthCheck, host: str, where: str, dial: Dial
) -> ProbeSucceeded | ProbeFailed:
    reader, writer = await dial(host, check.port)
    try:
        match check.kind:
            case ProbeKind.TCP:
                return ProbeSucceeded()
            case ProbeKind.HTTP:
                return await _ask_http(check.path, where, reader, writer)
            case ProbeKind.COMMAND:
                raise AssertionError("a command is not asked over a connection")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _ask_http(
    path: str, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> ProbeSucceeded | ProbeFailed:
    head = f"GET {quote(path, safe=TARGET_SAFE)} HTTP/1.1", f"Host: {where}", "Connection: close"
    writer.write("\r\n".join((*head, "", "")).encode("ascii"))
    await writer.drain()
    try:
        line = await reader.readline()
    except ValueError:
        return ProbeFailed(f"{where}{path}: the answer is not HTTP (first line too long)")
    status = _status(line)
    if status is None:
        return ProbeFailed(f"{where}{path}: the answer is not HTTP")
    if 200 <= status < 400:
        return ProbeSucceeded()
    return ProbeFailed(f"{where}{path}: answered {status}")


def _status(line: bytes) -> int | None:
    """Take the status out of a status line (RFC 9112 section 4); None if it is none."""
    parts = line.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not line.endswith(b"\n"):
        return None
    code = parts[1].strip()
    return int(code) if len(code) == 3 and code.isascii() and code.isdigit() else None
