"""Streams of nodes whose connections break off although the nodes are there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import pytest

from orchestrator.cluster import merging
from orchestrator.cluster.member import Member, MemberSettings
from orchestrator.cluster.merging import Tap
from orchestrator.codec import NodeLostError, NodeRefusedError
from orchestrator.placement import NodeOffer
from vnet.tasks import TaskOwner
from vnet.trunk import TrunkSettings

if TYPE_CHECKING:
    from orchestrator.codec import NodeClient


def member() -> Member:
    settings = MemberSettings(
        offer=NodeOffer(name="a", cpus=1, memory_bytes=1),
        trunk=TrunkSettings(deployment="d", node="a", listen="127.0.0.1:0", token=bytes(32)),
        is_here=True,
    )
    return Member(settings, cast("NodeClient", None))


async def test_a_stream_that_breaks_off_is_opened_again_from_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging, "REOPEN_S", 0.0)
    opened: list[int | None] = []

    async def count(_: Member, latest: int | None) -> AsyncGenerator[int, None]:
        opened.append(latest)
        yield len(opened)
        raise NodeLostError("the connection has broken")

    tasks = TaskOwner()
    tap = Tap(tasks, count, ends=False)
    tap.add(member())
    async with aclosing(tap.items()) as items:
        assert [(await anext(items))[1] for _ in range(3)] == [1, 2, 3]
    assert opened[:3] == [None, 1, 2]
    await tasks.cancel_all()


async def test_a_node_that_gives_no_stream_for_long_is_condemned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging, "REOPEN_S", 0.0)
    monkeypatch.setattr(merging, "PATIENCE_S", 0.05)

    async def broken(_: Member, latest: int | None) -> AsyncGenerator[int, None]:
        for error in [NodeLostError("the connection has broken")]:
            raise error
        yield 0

    tasks, one = TaskOwner(), member()
    Tap(tasks, broken, ends=False).add(one)
    assert "the connection has broken" in await one.condemned()
    await tasks.cancel_all()


async def test_a_node_that_is_lost_and_one_that_refuses_are_not_asked_again() -> None:
    asked = 0

    async def refuse(_: Member, latest: int | None) -> AsyncGenerator[int, None]:
        nonlocal asked
        asked += 1
        for error in [NodeRefusedError("no") if asked == 1 else NodeLostError("lost")]:
            raise error
        yield 0

    tasks, one = TaskOwner(), member()
    tap = Tap(tasks, refuse, ends=False)
    tap.add(one)
    with pytest.raises(NodeRefusedError):
        async with aclosing(tap.items()) as items:
            await anext(items)
    one.leave("it is lost")
    tap.add(one)
    await tasks.wait()
    assert asked == 2
