"""Tokens become callbacks: each once, whatever the others do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from vnet.host import Event, Watches

if TYPE_CHECKING:
    from vnet.host.switch import Switch


class Quiet:
    """A fabric in which nothing is ready."""

    def watch(self, descriptor: int, *, writing: bool) -> bool:
        del descriptor, writing
        return False


async def test_a_callback_that_fails_keeps_no_other_from_running() -> None:
    loop = asyncio.get_running_loop()
    watches = Watches(cast("Switch", Quiet()), loop)
    failures: list[BaseException] = []
    called: list[str] = []
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fail() -> None:
        raise ValueError("as a test wants it")

    watches.watch(3, Event.READ, fail)
    watches.watch(4, Event.WRITE, lambda: called.append("writable"))
    watches.deliver([3 << 1, 4 << 1 | 1, 4 << 1 | 1, 9 << 1])
    assert called == ["writable"]
    assert [str(failure) for failure in failures] == ["as a test wants it"]
