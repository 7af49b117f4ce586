from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest
from grpc.aio import AioRpcError

from orchestrator.codec import NodeLostError, NodeRefusedError
from pod_node.progress import Phase
from pod_node.status import (
    PodExisting,
    PodExited,
    PodPauseChanged,
    PodState,
    PodStateChanged,
    PortalBackend,
    Synced,
)
from protos.node.v1 import node_pb2 as pb
from tests.support.pods import FRONT, LOOPBACK, exited, make_spec
from tests.support.serving import ServedNode, served_node
from vnet.capture import CaptureBatch, CapturedPacket, CaptureWish, InterfacePlace
from vnet.configuration import Group, NetworkConfiguration
from vnet.ping import PingPlan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FRAME = bytes(12) + b"\x08\x00" + bytes([0x45]) + bytes(8) + bytes([17]) + bytes(10)
"""An IPv4 header with nothing behind it; its own size is the packet's to say."""


@pytest.fixture
async def served() -> AsyncIterator[ServedNode]:
    async with served_node() as served:
        yield served


async def prepare(served: ServedNode, image: str = "python") -> list[Phase]:
    async with aclosing(served.client.prepare_image(image)) as steps:
        return [step.phase async for step in steps]


async def ready(served: ServedNode) -> None:
    await served.client.attach_networks([("front", FRONT)])
    await prepare(served)


async def test_an_image_is_prepared_step_by_step(served: ServedNode) -> None:
    assert await prepare(served) == [Phase.FETCHING, Phase.COMPILING, Phase.READY]


async def test_an_image_that_cannot_be_had_is_a_clear_error(served: ServedNode) -> None:
    with pytest.raises(NodeRefusedError, match="no source could give its module"):
        await prepare(served, "missing")


async def test_a_preparation_ends_when_nobody_waits_for_it(served: ServedNode) -> None:
    served.library.gate.clear()
    async with aclosing(served.client.prepare_image("python")) as steps:
        assert (await anext(steps)).phase is Phase.FETCHING
    async with aclosing(served.client.prepare_image("other")) as steps:
        assert (await anext(steps)).phase is Phase.FETCHING
        served.library.gate.set()
        assert [step.phase async for step in steps] == [Phase.COMPILING, Phase.READY]


async def test_a_pod_boots_and_its_end_is_told(served: ServedNode) -> None:
    await ready(served)
    async with aclosing(served.client.watch()) as events:
        assert isinstance((await anext(events)).happening, Synced)
        status = await served.client.boot_pod(make_spec("web-1"))
        assert status.spec == make_spec("web-1")
        assert status.state in (PodState.BOOTING, PodState.RUNNING)
        served.runtime.pods["web-1"].exit(3)
        async for event in events:
            if isinstance(event.happening, PodExited):
                assert event.happening.exit == exited(3)
                break
    assert [pod.exit for pod in await served.client.list_pods()] == [exited(3)]


async def test_a_watcher_that_comes_late_sees_the_pods_first(served: ServedNode) -> None:
    await ready(served)
    await served.client.boot_pod(make_spec("web-1"))
    async with aclosing(served.client.watch()) as events:
        first = (await anext(events)).happening
        assert isinstance(first, PodExisting)
        assert first.status.spec.name == "web-1"


async def test_a_pod_can_be_killed_and_stopped(served: ServedNode) -> None:
    await ready(served)
    await served.client.boot_pod(make_spec("web-1"))
    await served.client.boot_pod(make_spec("web-2"))
    assert (await served.client.kill_pod("web-1")).state is PodState.EXITED
    assert (await served.client.stop_pod("web-2", 0.0)).state is PodState.EXITED


async def test_refusals_come_with_their_reason(served: ServedNode) -> None:
    with pytest.raises(NodeRefusedError, match="image python is not prepared"):
        await served.client.boot_pod(make_spec("web-1"))
    with pytest.raises(NodeRefusedError, match="no pod named web-9"):
        await served.client.kill_pod("web-9")
    with pytest.raises(NodeRefusedError, match="network front is not attached"):
        await served.client.publish_names("front", {})
    with pytest.raises(NodeRefusedError, match="no portal portal-9"):
        await served.client.set_portal_backends("portal-9", [])
    await ready(served)
    with pytest.raises(NodeRefusedError, match=r"exists with 127\.0\.0\.0/24"):
        await served.client.attach_networks([("front", IPv4Network("10.0.0.0/8"))])


async def test_names_reach_the_runtime(served: ServedNode) -> None:
    await ready(served)
    await served.client.publish_names("front", {"web": [LOOPBACK], "api": []})
    assert served.runtime.names == {"front": {"web": ["127.0.0.1"], "api": []}}


async def test_a_portal_leads_to_a_pod(served: ServedNode) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    replica = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = replica.sockets[0].getsockname()[1]
    async with replica:
        portal = await served.client.open_portal("web", port, 0, [])
        assert b" 503 " in await fetch(portal.url)
        await served.client.set_portal_backends(
            portal.portal_id, [PortalBackend("web-1", LOOPBACK)]
        )
        assert (await fetch(portal.url)).endswith(b"hello")


async def test_a_host_port_in_use_is_named(served: ServedNode) -> None:
    blocker = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = blocker.sockets[0].getsockname()[1]
    async with blocker:
        with pytest.raises(NodeRefusedError, match=f"port {port} on 127.0.0.1 is in use"):
            await served.client.open_portal("web", 8080, port, [])


async def test_logs_can_be_followed_from_before_the_first_boot(served: ServedNode) -> None:
    await ready(served)
    async with aclosing(served.client.logs(follow=True)) as chunks:
        first = asyncio.ensure_future(anext(chunks))  # noqa: TID251 - joined three lines below
        await served.client.boot_pod(make_spec("web-1"))
        served.runtime.pods["web-1"].write(1, b"hello\n")
        lines, lost = await first
    assert (lines.pod, lines.stream, lines.lines, lost) == ("web-1", "stdout", (b"hello",), 0)


async def test_the_node_says_what_it_uses(served: ServedNode) -> None:
    await ready(served)
    await served.client.boot_pod(make_spec("web-1"))
    node = (await served.stub.Statistics(pb.StatisticsRequest())).node
    assert node.running_pods == 1
    assert (node.fabric_limit_bytes, node.fabric_used_bytes) == (1000, 10)
    assert min(node.resident_bytes, node.cpu_time_us, node.memory_maps) > 0


async def test_portals_are_listed_until_they_are_closed(served: ServedNode) -> None:
    portal = await served.client.open_portal("web", 8080, 0, [])
    listed = await served.stub.ListPortals(pb.ListPortalsRequest())
    assert [view.portal_id for view in listed.portals] == [portal.portal_id]
    await served.stub.ClosePortal(pb.ClosePortalRequest(portal_id=portal.portal_id))
    assert not (await served.stub.ListPortals(pb.ListPortalsRequest())).portals


async def test_a_node_that_is_gone_is_an_error_of_its_own(served: ServedNode) -> None:
    await served.server.stop(grace=None)
    with pytest.raises(NodeLostError):
        await served.client.list_pods()


async def fetch(url: str) -> bytes:
    host = url.removeprefix("http://").rstrip("/")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(host.partition(":")[2]))
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_pod_is_paused_and_resumed_and_both_are_told(served: ServedNode) -> None:
    await ready(served)
    async with aclosing(served.client.watch()) as events:
        assert isinstance((await anext(events)).happening, Synced)
        await served.client.boot_pod(make_spec("web-1"))
        running = await anext(events)
        assert isinstance(running.happening, PodStateChanged)
        assert (await served.client.pause_pod("web-1")).paused
        assert (await served.client.pause_pod("web-1")).paused
        assert served.runtime.pods["web-1"].paused
        assert not (await served.client.resume_pod("web-1")).paused
        changes = [(await anext(events)).happening, (await anext(events)).happening]
    assert changes == [
        PodPauseChanged(pod="web-1", generation=1, paused=True),
        PodPauseChanged(pod="web-1", generation=1, paused=False),
    ]


async def test_a_pod_that_ended_cannot_be_paused(served: ServedNode) -> None:
    await ready(served)
    await served.client.boot_pod(make_spec("web-1"))
    await served.client.kill_pod("web-1")
    with pytest.raises(NodeRefusedError, match="pod web-1 is exited; only a running pod"):
        await served.client.pause_pod("web-1")
    with pytest.raises(NodeRefusedError, match="no pod named web-2"):
        await served.client.resume_pod("web-2")


async def test_a_paused_pod_that_is_killed_is_not_paused_any_more(served: ServedNode) -> None:
    await ready(served)
    async with aclosing(served.client.watch()) as events:
        assert isinstance((await anext(events)).happening, Synced)
        await served.client.boot_pod(make_spec("web-1"))
        async for event in events:
            if isinstance(event.happening, PodStateChanged):
                break
    await served.client.pause_pod("web-1")
    assert not (await served.client.kill_pod("web-1")).paused


async def test_a_network_is_configured_whole(served: ServedNode) -> None:
    await ready(served)
    group = Group(name="web@front", network="front", interfaces=(LOOPBACK,))
    configuration = NetworkConfiguration(seed=7, groups=(group,))
    await served.client.configure_network(configuration)
    assert served.runtime.configurations == [configuration]
    elsewhere = NetworkConfiguration(groups=(replace(group, network="back"),))
    with pytest.raises(NodeRefusedError, match="network back is not attached"):
        await served.client.configure_network(elsewhere)
    assert served.runtime.configurations == [configuration]


async def test_a_ping_reports_each_request(served: ServedNode) -> None:
    plan = PingPlan(count=3, interval_s=0.001)
    echoes = [echo async for echo in served.client.ping(LOOPBACK, LOOPBACK, plan)]
    assert [echo.sequence for echo in echoes] == [1, 2, 3]
    request = pb.PingRequest(source="127.0.0.1", target="127.0.0.1")
    with pytest.raises(AioRpcError, match="interval_ms 0 is not 1 to"):
        await anext(aiter(served.stub.Ping(request)))


async def test_a_capture_gives_what_its_filter_chooses_until_there_is_enough(
    served: ServedNode,
) -> None:
    small, large = (CapturedPacket(time_ns=n, size_bytes=n, data=FRAME) for n in (60, 900))
    place = InterfacePlace(LOOPBACK)
    served.runtime.seen[place] = [CaptureBatch(packets=(small, large, large, large), lost=1)]
    wish = CaptureWish(place=place, filter="greater 100", count=2)
    assert [batch async for batch in served.client.capture(wish)] == [
        CaptureBatch(packets=(large, large), lost=1)
    ]
    with pytest.raises(NodeRefusedError, match='filter "host nobody"'):
        await anext(served.client.capture(replace(wish, filter="host nobody")))


async def test_use_of_resources_names_each_pod_that_runs(served: ServedNode) -> None:
    await ready(served)
    await served.client.boot_pod(make_spec("web-1"))
    await served.client.boot_pod(make_spec("web-2"))
    await served.client.kill_pod("web-2")
    usage = await served.client.statistics()
    assert [pod.pod for pod in usage.pods] == ["web-1"]
    assert usage.running_pods == 1
