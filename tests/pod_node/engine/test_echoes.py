"""Pings between pods: round trips are exact in the simulation, and losses are what they are."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.configurations import fault, linked
from tests.support.lab import Lab
from tests.support.nodes import TWICE
from tests.support.puppet import Puppet
from vnet.configuration import FaultKind, LinkParameters
from vnet.ping import EchoOutcome, EchoResult

pytestmark = TWICE
MS = 1_000_000
SHORT_S = 0.02


async def ping(
    pods: Lab, source: str, target: str, *, payload_bytes: int = 56, timeout_s: float = 30.0
) -> EchoResult:
    return await pods.runtime.ping(
        IPv4Address(source),
        IPv4Address(target),
        sequence=1,
        payload_bytes=payload_bytes,
        timeout_s=timeout_s,
    )


@pytest.fixture
async def left(pods: Lab) -> Puppet:
    return await pods.puppet()


@pytest.fixture
async def right(pods: Lab) -> Puppet:
    return await pods.puppet()


async def test_a_direct_pair_answers_at_once(pods: Lab, left: Puppet, right: Puppet) -> None:
    expected = EchoResult(outcome=EchoOutcome.REPLY, rtt_ns=0)
    assert await ping(pods, left.guest.address, right.guest.address) == expected
    assert await ping(pods, left.guest.address, left.guest.address) == expected


async def test_a_round_trip_is_the_sum_of_both_delays_to_the_nanosecond(
    pods: Lab, left: Puppet, right: Puppet
) -> None:
    there = LinkParameters(delay_ns=3 * MS + 7)
    back = LinkParameters(delay_ns=2 * MS + 11)
    pods.runtime.configure_network(linked(left.guest.address, right.guest.address, there, back))
    for _ in range(3):
        result = await ping(pods, left.guest.address, right.guest.address)
        assert result == EchoResult(outcome=EchoOutcome.REPLY, rtt_ns=5 * MS + 18)


async def test_a_rate_takes_its_time_for_every_byte(pods: Lab, left: Puppet, right: Puppet) -> None:
    slow = LinkParameters(rate_bit_s=8_000_000)  # a byte takes a microsecond
    pods.runtime.configure_network(linked(left.guest.address, right.guest.address, slow))
    result = await ping(pods, left.guest.address, right.guest.address, payload_bytes=972)
    assert result.rtt_ns == 2 * 1000 * 1000


async def test_a_loss_is_a_time_out(pods: Lab, left: Puppet, right: Puppet) -> None:
    ends = left.guest.address, right.guest.address
    pods.runtime.configure_network(linked(*ends, LinkParameters(loss=1.0)))
    lost = EchoResult(outcome=EchoOutcome.TIMEOUT)
    assert await ping(pods, *ends, timeout_s=SHORT_S) == lost
    cut = fault(FaultKind.CUT, ends[1], ends[0])
    pods.runtime.configure_network(linked(*ends, LinkParameters(), faults=(cut,)))
    assert await ping(pods, *ends, timeout_s=SHORT_S) == lost


async def test_a_paused_pod_does_not_answer(pods: Lab, left: Puppet, right: Puppet) -> None:
    assert right.guest.pod is not None
    right.guest.pod.pause()
    ends = left.guest.address, right.guest.address
    assert (await ping(pods, *ends, timeout_s=SHORT_S)).outcome is EchoOutcome.TIMEOUT
    right.guest.pod.resume()
    assert (await ping(pods, *ends)).outcome is EchoOutcome.REPLY


async def test_nobody_and_nowhere_are_told_apart(pods: Lab, left: Puppet, right: Puppet) -> None:
    source = left.guest.address
    await right.kill()
    outcomes = [
        (await ping(pods, source, target)).outcome
        for target in (right.guest.address, "10.10.99.99", "10.20.0.1")
    ]
    assert outcomes == [
        EchoOutcome.HOST_UNREACHABLE,
        EchoOutcome.HOST_UNREACHABLE,
        EchoOutcome.NETWORK_UNREACHABLE,
    ]


async def test_who_ends_while_the_request_is_under_way_is_unreachable(
    pods: Lab, left: Puppet, right: Puppet
) -> None:
    ends = left.guest.address, right.guest.address
    pods.runtime.configure_network(linked(*ends, LinkParameters(delay_ns=300 * MS)))
    asked = asyncio.get_running_loop().create_task(ping(pods, *ends))
    await asyncio.sleep(0)
    await right.kill()
    assert (await asked).outcome is EchoOutcome.HOST_UNREACHABLE


async def test_many_at_once_each_get_their_own_answer(
    pods: Lab, left: Puppet, right: Puppet
) -> None:
    ends = left.guest.address, right.guest.address
    parameters = LinkParameters(delay_ns=MS, jitter_ns=MS // 2, duplicate=0.5)
    pods.runtime.configure_network(linked(*ends, parameters))
    results = await asyncio.gather(*(ping(pods, *ends) for _ in range(300)))
    assert all(result.outcome is EchoOutcome.REPLY for result in results)
    assert len({result.rtt_ns for result in results}) > 100


async def test_a_payload_larger_than_a_packet_is_refused(pods: Lab, left: Puppet) -> None:
    with pytest.raises(OSError, match="too long"):
        await ping(pods, left.guest.address, left.guest.address, payload_bytes=65_508)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
    )
)
async def test_any_request_is_sent_or_refused(
    pods: Lab, requests: list[tuple[int, int, int]]
) -> None:
    for source, target, size in requests:
        try:
            result = await ping(
                pods,
                str(IPv4Address(source)),
                str(IPv4Address(target)),
                payload_bytes=size,
                timeout_s=SHORT_S,
            )
        except OSError:
            assert size > 65_507
        else:
            assert result.outcome is not EchoOutcome.REPLY
