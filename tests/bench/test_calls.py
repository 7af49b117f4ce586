"""The counter behind "no byte goes through Python" notices a call when there is one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.bench.calls import CallCounter
from vnet.addresses import parse_subnet


@pytest.fixture
def counter() -> Iterator[CallCounter]:
    counter = CallCounter()
    counter.install()
    yield counter
    counter.remove()


def test_a_call_on_another_thread_counts(counter: CallCounter) -> None:
    go, done = threading.Event(), threading.Event()

    def called() -> None:
        done.set()

    def guest() -> None:
        go.wait()
        called()

    thread = threading.Thread(target=guest)
    thread.start()
    counter.arm()
    go.set()
    done.wait()
    thread.join()
    assert counter.disarm() > 0


def test_calls_of_anything_but_the_node_on_the_loops_own_thread_do_not_count(
    counter: CallCounter,
) -> None:
    counter.arm()
    sorted([2, 1], key=lambda number: -number)
    assert counter.disarm() == 0


def test_calls_of_the_node_on_the_loops_own_thread_count(counter: CallCounter) -> None:
    counter.arm()
    parse_subnet("10.0.0.0/24")
    assert counter.disarm() > 0
