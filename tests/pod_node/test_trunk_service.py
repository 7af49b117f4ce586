"""Joining nodes over node.v1: values survive the way, and what cannot be is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

import grpc
import pytest
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from pod_node.codec import trunk as codec
from pod_node.service import STATUSES
from pod_node.serving import ErrorStatuses
from pod_node.trunk_service import NodeTrunkService
from protos.node.v1 import trunk_pb2 as pb
from protos.node.v1.trunk_pb2_grpc import TrunkServiceStub
from tests.support.lab import lab
from tests.support.serving import short_folder
from vnet.trunk import Certificates, PeerSpec, PeerStatus, RemoteInterface, TrunkSettings

filled = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
settings = st.builds(
    TrunkSettings,
    deployment=filled,
    node=filled,
    listen=filled,
    token=st.binary(max_size=32),
    certificates=st.none()
    | st.builds(Certificates, certificate=st.binary(), key=st.binary(), authorities=st.binary()),
    outage_s=st.integers(1, 3_600_000).map(lambda ms: ms / 1000),
)
interfaces = st.builds(
    RemoteInterface,
    network=filled,
    address=st.integers(0, 2**32 - 1).map(IPv4Address),
    prefix=st.integers(0, 32),
)
peers = st.builds(
    PeerSpec, name=filled, address=filled, interfaces=st.lists(interfaces, max_size=3).map(tuple)
)
statuses = st.builds(
    PeerStatus,
    name=filled,
    connected=st.booleans(),
    reason=st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    flows=st.integers(0, 2**32 - 1),
)


@given(settings)
def test_settings_are_read_as_they_were_written(given_settings: TrunkSettings) -> None:
    message = codec.settings_to_message(given_settings)
    assert codec.settings_from_message(message) == given_settings


@given(st.lists(peers, max_size=3))
def test_peers_are_read_as_they_were_written(given_peers: list[PeerSpec]) -> None:
    assert codec.peers_from_message(codec.peers_to_message(given_peers)) == given_peers


@given(st.lists(statuses, max_size=3))
def test_statuses_are_read_as_they_were_written(given_statuses: list[PeerStatus]) -> None:
    message = codec.statuses_to_message(given_statuses)
    assert codec.statuses_from_message(message) == given_statuses


@asynccontextmanager
async def served() -> AsyncIterator[aio.Channel]:
    with short_folder() as folder:
        async with lab() as pods:
            server = aio.server(interceptors=(ErrorStatuses(STATUSES),))
            NodeTrunkService(pods.runtime.trunk, lambda: pods.runtime.networks).join(server)
            server.add_insecure_port(f"unix:{folder}/node")
            await server.start()
            async with aio.insecure_channel(f"unix:{folder}/node") as channel:
                yield channel
            await server.stop(grace=None)


OPEN = pb.OpenTrunkRequest(
    deployment="shop", node="first", listen="127.0.0.1:0", token=b"a token of some length"
)


async def test_a_trunk_is_opened_once_and_says_where() -> None:
    async with served() as channel:
        stub = TrunkServiceStub(channel)
        address = (await stub.OpenTrunk(OPEN)).address
        assert address.startswith("127.0.0.1:")
        assert not address.endswith(":0")
        assert (await stub.OpenTrunk(OPEN)).address == address
        other = pb.OpenTrunkRequest()
        other.CopyFrom(OPEN)
        other.node = "second"
        with pytest.raises(aio.AioRpcError, match="it has one already, with other settings"):
            await stub.OpenTrunk(other)


@pytest.mark.parametrize(
    ("peer", "status", "reason"),
    [
        (pb.Peer(address="x"), grpc.StatusCode.INVALID_ARGUMENT, "peers.name is empty"),
        (
            pb.Peer(
                name="b",
                address="x",
                interfaces=[pb.RemoteInterface(network="front", address="nowhere")],
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "peers.interfaces.address",
        ),
        (
            pb.Peer(
                name="b",
                address="x",
                interfaces=[pb.RemoteInterface(network="side", address="10.1.1.1")],
            ),
            grpc.StatusCode.FAILED_PRECONDITION,
            "side",
        ),
        (pb.Peer(name="first", address="x"), grpc.StatusCode.FAILED_PRECONDITION, '"first" is no'),
    ],
)
async def test_peers_that_cannot_be_are_refused(
    peer: pb.Peer, status: grpc.StatusCode, reason: str
) -> None:
    async with served() as channel:
        stub = TrunkServiceStub(channel)
        await stub.OpenTrunk(OPEN)
        with pytest.raises(aio.AioRpcError) as caught:
            await stub.SetPeers(pb.SetPeersRequest(peers=[peer]))
        assert caught.value.code() is status
        assert reason in (caught.value.details() or "")


async def test_a_peer_that_is_not_there_is_listed_with_the_reason() -> None:
    async with served() as channel:
        stub = TrunkServiceStub(channel)
        with pytest.raises(aio.AioRpcError, match="open it before it gets peers"):
            await stub.SetPeers(pb.SetPeersRequest(peers=[pb.Peer(name="b", address="x")]))
        await stub.OpenTrunk(OPEN)
        peer = pb.Peer(name="second", address="unix:/nowhere/second")
        await stub.SetPeers(pb.SetPeersRequest(peers=[peer]))
        while True:
            (status,) = (await stub.ListPeers(pb.ListPeersRequest())).peers
            if "nowhere" in status.reason:
                break
        assert not status.connected
        assert status.flows == 0
