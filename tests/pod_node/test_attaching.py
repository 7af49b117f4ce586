"""Those who are attached to a pod: what each sees, and what reaches the pod."""

from __future__ import annotations

import signal
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pod_node.attaching import BACKLOG_BYTES, Attached, AttachEvent, OutputLost
from pod_node.errors import PodNotRunningError, UnknownPodError
from pod_node.executing import Ended, Input, InputTaken, Output, Resize, WindowSize
from pod_node.files import Roots
from pod_node.history import LogWish
from pod_node.node import Node
from tests.support.pods import FRONT, FakeImages, FakePod, FakeRuntime, exited, make_spec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from pod_node.attaching import AttachStep


@pytest.fixture
async def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
async def node(runtime: FakeRuntime, tmp_path: Path) -> AsyncIterator[Node]:
    async with Node(runtime, FakeImages(), tmp_path / "logs", Roots(tmp_path)) as node:
        node.networks.attach("front", FRONT)
        yield node


async def saying(*steps: AttachStep) -> AsyncIterator[AttachStep]:
    for step in steps:
        yield step


def boot(node: Node, runtime: FakeRuntime, *, stdin_open: bool, tty: bool) -> FakePod:
    node.boot(replace(make_spec("web-1"), stdin_open=stdin_open, tty=tty))
    return runtime.pods["web-1"]


async def until(events: AsyncGenerator[AttachEvent, None], last: AttachEvent) -> list[AttachEvent]:
    """Take events up to this one."""
    seen: list[AttachEvent] = []
    async for event in events:
        seen.append(event)
        if event == last:
            return seen
    raise AssertionError(f"{last} never came: {seen}")


async def test_everybody_sees_what_is_written_from_now_on_and_the_end(
    node: Node, runtime: FakeRuntime
) -> None:
    pod = boot(node, runtime, stdin_open=False, tty=False)
    pod.write(1, b"before\n")
    one, two = node.programs.attach("web-1", saying()), node.programs.attach("web-1", saying())
    attached = Attached(reads_input=False, terminal=False)
    assert [await anext(one), await anext(two)] == [attached, attached]
    pod.write(1, b"out\n")
    pod.write(2, b"error\n")
    pod.exit(3)
    expected = [Output(1, b"out\n"), Output(2, b"error\n"), Ended(exited(3))]
    assert [event async for event in one] == [event async for event in two] == expected
    with pytest.raises(PodNotRunningError):
        node.programs.attach("web-1", saying())
    with pytest.raises(UnknownPodError):
        node.programs.attach("web-2", saying())


async def test_input_is_passed_on_only_where_the_pod_reads_it(
    node: Node, runtime: FakeRuntime
) -> None:
    pod = boot(node, runtime, stdin_open=False, tty=True)
    async with aclosing(node.programs.attach("web-1", saying(Input(b"lost")))) as events:
        await until(events, InputTaken(4))
    assert pod.input.read == b""
    pod.exit(0)
    pod = boot(node, runtime, stdin_open=True, tty=False)
    async with aclosing(node.programs.attach("web-1", saying(Input(b"a\r\x03")))) as events:
        await until(events, InputTaken(3))
    assert (pod.input.read, pod.input.signals) == (b"a\r\x03", [])


async def test_all_type_at_one_terminal_and_see_each_other_s_keys(
    node: Node, runtime: FakeRuntime
) -> None:
    pod = boot(node, runtime, stdin_open=True, tty=True)
    watching = node.programs.attach("web-1", saying())
    assert await anext(watching) == Attached(reads_input=True, terminal=True)
    async with aclosing(node.programs.attach("web-1", saying(Input(b"hel")))) as one:
        await until(one, InputTaken(3))
    window = Resize(WindowSize(30, 100))
    async with aclosing(
        node.programs.attach("web-1", saying(window, Input(b"lo\r\x03\x04")))
    ) as two:
        await until(two, InputTaken(5))
    pod.write(1, b"well\n")
    assert (pod.input.read, pod.input.signals, pod.input.ends) == (b"hello\n", [signal.SIGINT], 1)
    assert pod.input.window == WindowSize(30, 100)
    seen = await until(watching, Output(1, b"well\r\n"))
    shown = b"".join(event.data for event in seen if isinstance(event, Output))
    assert shown == b"hello\r\n^Cwell\r\n"
    await watching.aclose()
    assert not pod.killed, "who leaves ends nothing"


async def test_who_does_not_read_loses_output_and_holds_up_nobody(
    node: Node, runtime: FakeRuntime
) -> None:
    pod = boot(node, runtime, stdin_open=False, tty=False)
    slow = node.programs.attach("web-1", saying())
    await anext(slow)
    half = bytes(BACKLOG_BYTES // 2)
    for _ in range(4):
        pod.write(1, half)
    assert [await anext(slow) for _ in range(3)] == [
        Output(1, half),
        Output(1, half),
        OutputLost(2 * len(half)),
    ]
    pod.write(1, b"on")
    assert await anext(slow) == Output(1, b"on")
    await slow.aclose()


async def test_what_an_attached_pod_writes_is_in_its_log_without_what_was_typed(
    node: Node, runtime: FakeRuntime
) -> None:
    pod = boot(node, runtime, stdin_open=True, tty=True)
    async with aclosing(node.programs.attach("web-1", saying(Input(b"typed\r")))) as events:
        await until(events, InputTaken(6))
        pod.write(1, b"said\n")
        await until(events, Output(1, b"said\r\n"))
    async with aclosing(node.read_logs(LogWish(follow=True))) as chunks:
        lines, _ = await anext(chunks)
    assert lines.lines == (b"said",)
