"""What a pod uses, as the kernel counts it."""

from __future__ import annotations

from pod_node.spec import Limits
from pod_node.usage import PodUsage
from tests.support.lab import Lab
from tests.support.puppet import Puppet

PAGE = 1 << 16
LIMITS = Limits(memory_bytes=64 * PAGE, sockets=50, descriptors=40, fabric_bytes=1 << 20)


def usage(guest: Puppet) -> PodUsage:
    pod = guest.guest.pod
    assert pod is not None
    return pod.usage()


async def test_the_limits_are_told_beside_what_is_used(pods: Lab) -> None:
    used = usage(await pods.puppet(limits=LIMITS))
    assert (used.memory_limit_bytes, used.fabric_limit_bytes) == (64 * PAGE, 1 << 20)
    assert (used.sockets_limit, used.descriptors_limit) == (50, 40)
    assert used.processes == 1


async def test_memory_that_grew_is_seen(pods: Lab) -> None:
    guest = await pods.puppet(limits=LIMITS)
    before = usage(guest).memory_bytes
    assert before == 2 * PAGE
    await guest.grow(7)
    assert usage(guest).memory_bytes == before + 7 * PAGE


async def test_sockets_and_descriptors_are_counted_as_they_come_and_go(pods: Lab) -> None:
    guest = await pods.puppet(limits=LIMITS)
    before = usage(guest)
    first = await guest.open_net("tcp/pair")
    second = await guest.open_net(f"tcp/pair/{await guest.socket_id(first)}")
    there = usage(guest)
    assert there.sockets == before.sockets + 2
    assert there.descriptors == before.descriptors + 2
    assert there.fabric_bytes > before.fabric_bytes
    await guest.close(first)
    await guest.close(second)
    after = usage(guest)
    assert (after.sockets, after.descriptors) == (before.sockets, before.descriptors)
    assert after.fabric_bytes < there.fabric_bytes


async def test_a_pod_that_has_ended_uses_nothing(pods: Lab) -> None:
    guest = await pods.puppet(limits=LIMITS)
    await guest.kill()
    used = usage(guest)
    assert (used.memory_bytes, used.sockets, used.descriptors, used.processes) == (0, 0, 0, 0)
