"""Who may dial a node: nobody but nodes of the deployment, and these may not say everything."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import grpc
import pytest
import trustme
from grpc import aio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.vnet.v1 import trunk_pb2 as pb
from protos.vnet.v1.trunk_pb2_grpc import TrunkServiceStub
from tests.support.lab import Lab, eventually, lab
from tests.support.nodes import TOKEN
from tests.support.serving import short_folder
from tests.support.wasi import Errno
from tests.vnet.trunk.test_codec import frames
from vnet.trunk import (
    Certificates,
    PeerSpec,
    RemoteInterface,
    TrunkSettings,
    TrunkSettingsError,
    codec,
)
from vnet.trunk.errors import PeerRefusedError
from vnet.trunk.frames import Batch, Buffers, Data, Ends, Frame, Opened, Packet, Reason, Reset
from vnet.trunk.greeting import NONCE_BYTES, VERSION, Hello, Side, prove
from vnet.trunk.server import MESSAGE_MOST_BYTES
from vnet.trunk.session import Position
from vnet.trunk.stream import Identity, dial_greeting

UNBOUNDED = (("grpc.max_send_message_length", -1),)
STRANGER = int(IPv4Address("10.10.7.7"))
"""An address of the other node's pod."""
HELLO = Hello(VERSION, "test", "first", bytes(NONCE_BYTES))
BUFFERS = Buffers(1 << 20, 1 << 20)
ENDED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL
"""What a caller sees of a stream that is ended; the second amid a write, in gRPC's own words."""


@dataclass
class Target:
    """A node that another may dial."""

    pods: Lab
    address: str

    @asynccontextmanager
    async def dialled(self) -> AsyncIterator[Caller]:
        async with aio.insecure_channel(self.address) as channel:
            call = TrunkServiceStub(channel).Connect()
            yield Caller(call)
            call.cancel()


class Caller:
    """The test as another node."""

    def __init__(self, call: aio.StreamStreamCall[pb.TrunkMessage, pb.TrunkMessage]) -> None:
        self.call = call
        self._sequence = 0

    async def refused(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the end of the stream: how it came."""
        while True:
            try:
                if await self.call.read() is aio.EOF:
                    return await self.call.code(), await self.call.details() or ""
            except aio.AioRpcError as error:
                return error.code(), error.details() or ""

    async def greet(self) -> None:
        identity = Identity(deployment="test", node="first", token=TOKEN)
        await dial_greeting(self.call, identity, "second", lambda: Position(7, 0, 0, 0, 0))

    async def say(self, *said: Frame) -> None:
        self._sequence += 1
        await self.call.write(codec.batch_to_message(Batch(self._sequence, 0, list(said))))

    async def heard(self) -> list[Frame]:
        message = await self.call.read()
        assert isinstance(message, pb.TrunkMessage)
        return codec.batch_from_message(message).frames


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    with short_folder() as folder:
        async with lab() as pods:
            address = await opened(pods, f"unix:{folder}/second")
            yield Target(pods, address)
            await pods.runtime.trunk.close()


async def opened(pods: Lab, listen: str, certificates: Certificates | None = None) -> str:
    interface = RemoteInterface(network="front", address=IPv4Address(STRANGER), prefix=16)
    settings = TrunkSettings(
        deployment="test", node="second", listen=listen, token=TOKEN, certificates=certificates
    )
    address = await pods.runtime.trunk.open(settings)
    peer = PeerSpec(name="first", address="unix:/nowhere", interfaces=(interface,))
    pods.runtime.trunk.set_peers([peer])
    return address


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (
            replace(HELLO, version=9),
            f"speaks version 9 of the trunk's protocol and this one {VERSION}",
        ),
        (
            replace(HELLO, deployment="other"),
            'belongs to deployment "other" and this one to "test"',
        ),
        (replace(HELLO, nonce=b""), "has a nonce of 0 bytes"),
    ],
)
async def test_a_node_that_does_not_belong_is_told_why(
    target: Target, hello: Hello, reason: str
) -> None:
    async with target.dialled() as caller:
        await caller.call.write(codec.hello_to_message(hello))
        status, details = await caller.refused()
    assert status is grpc.StatusCode.FAILED_PRECONDITION
    assert details.startswith('node "first" ')
    assert reason in details


@pytest.mark.parametrize(("token", "node"), [(b"a wrong token", "first"), (TOKEN, "third")])
async def test_who_does_not_know_the_token_or_is_nobody_is_refused(
    target: Target, token: bytes, node: str
) -> None:
    hello = replace(HELLO, node=node)
    async with target.dialled() as caller:
        await caller.call.write(codec.hello_to_message(hello))
        answer = await caller.call.read()
        assert isinstance(answer, pb.TrunkMessage)
        proof = prove(token, Side.DIALLER, hello, codec.hello_from_message(answer))
        await caller.call.write(codec.resume_to_message(proof, Position(7, 0, 0, 0, 0)))
        status, details = await caller.refused()
    assert status is grpc.StatusCode.FAILED_PRECONDITION
    assert "token" in details if node == "first" else "no node that" in details
    assert target.pods.runtime.trunk.statuses[0].flows == 0


async def test_a_proof_is_of_no_use_on_another_stream(target: Target) -> None:
    async with target.dialled() as caller:
        await caller.call.write(codec.hello_to_message(HELLO))
        answer = await caller.call.read()
        assert isinstance(answer, pb.TrunkMessage)
        overheard = prove(TOKEN, Side.DIALLER, HELLO, codec.hello_from_message(answer))
    async with target.dialled() as caller:
        await caller.call.write(codec.hello_to_message(HELLO))
        await caller.call.read()
        await caller.call.write(codec.resume_to_message(overheard, Position(7, 0, 0, 0, 0)))
        assert (await caller.refused())[0] is grpc.StatusCode.FAILED_PRECONDITION


async def test_the_node_that_is_dialled_proves_itself_too(target: Target) -> None:
    identity = Identity(deployment="test", node="first", token=b"of another deployment")
    async with target.dialled() as caller:
        with pytest.raises((PeerRefusedError, aio.AioRpcError)):
            await dial_greeting(caller.call, identity, "second", lambda: Position(7, 0, 0, 0, 0))


@pytest.mark.parametrize(
    "message",
    [
        pb.TrunkMessage(),
        codec.batch_to_message(Batch(1, 0, [Data(1, b"x")])),
        codec.resume_to_message(b"", Position(1, 0, 0, 0, 0)),
    ],
)
async def test_nothing_is_looked_at_before_a_greeting(
    target: Target, message: pb.TrunkMessage
) -> None:
    async with target.dialled() as caller:
        await caller.call.write(message)
        assert (await caller.refused())[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_pods_of_another_node_speak_from_their_own_addresses_only(target: Target) -> None:
    victim, server = await target.pods.puppet(), await target.pods.puppet()
    await server.listen(80)
    there = int(IPv4Address(server.guest.address))
    forged = Ends(int(IPv4Address(victim.guest.address)), 4000, there, 80)
    async with target.dialled() as caller:
        await caller.greet()
        await caller.say(Opened(1, forged, BUFFERS, 1000), Packet(17, forged, b"forged"))
        assert await caller.heard() == [Reset(1, Reason.UNREACHABLE)]
        for number, port, reason in ((3, 81, Reason.REFUSED), (5, 80, None)):
            await caller.say(Opened(number, Ends(STRANGER, 4000, there, port), BUFFERS, 1000))
            (answer,) = await caller.heard()
            assert getattr(answer, "reason", None) is reason
        nobody = Ends(STRANGER, 4000, int(IPv4Address("10.10.9.9")), 80)
        await caller.say(Opened(7, nobody, BUFFERS, 1000))
        assert await caller.heard() == [Reset(7, Reason.UNREACHABLE)]


async def test_a_node_that_breaks_the_protocol_is_cut_off_and_its_flows_reset(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = await target.pods.puppet()
    listener = await server.listen(80)
    there = int(IPv4Address(server.guest.address))
    async with target.dialled() as caller:
        await caller.greet()
        await caller.say(Opened(1, Ends(STRANGER, 4000, there, 80), BUFFERS, 1000))
        await caller.heard()
        far = await server.accept(listener)
        await caller.say(Data(1, bytes(3 << 20)))
        status, details = await caller.refused()
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert "bytes too many" in details
    assert await server.try_read(far) is Errno.CONNRESET


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\xff" * 100, grpc.StatusCode.INVALID_ARGUMENT),
        (bytes(MESSAGE_MOST_BYTES + 1), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
    ids=["no message", "too large"],
)
async def test_what_is_no_message_ends_its_stream_only(
    target: Target, raw: bytes, status: grpc.StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = await target.pods.puppet()
    listener = await server.listen(80)
    opened_flow = Opened(
        1, Ends(STRANGER, 4000, int(IPv4Address(server.guest.address)), 80), BUFFERS, 1000
    )
    async with target.dialled() as caller:
        await caller.greet()
        await caller.say(opened_flow)
        await caller.heard()
        far = await server.accept(listener)
        async with aio.insecure_channel(target.address, options=UNBOUNDED) as channel:
            call: aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(
                "/vnet.v1.TrunkService/Connect"
            )()
            with suppress(aio.AioRpcError):
                await call.write(raw)
            assert await call.code() is status
        await caller.say(Data(1, b"still here"))
        assert await server.read_exactly(far, 10) == b"still here"


async def test_a_node_that_answers_with_nonsense_is_dialled_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    dials = 0

    async def talk_nonsense(messages: object, context: object) -> AsyncIterator[bytes]:
        del messages, context
        nonlocal dials
        dials += 1
        yield b"\xff" * 100

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(
        talk_nonsense
    )
    server = aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("vnet.v1.TrunkService", {"Connect": handler}),)
    )
    with short_folder() as folder:
        server.add_insecure_port(f"unix:{folder}/second")
        await server.start()
        try:
            async with lab() as pods:
                trunk = pods.runtime.trunk
                own = TrunkSettings(
                    deployment="test", node="first", listen=f"unix:{folder}/first", token=TOKEN
                )
                await trunk.open(own)
                trunk.set_peers([PeerSpec(name="second", address=f"unix:{folder}/second")])
                await eventually(lambda: dials > 1)
                assert "cannot be read" in trunk.statuses[0].reason
                await trunk.close()
        finally:
            await server.stop(grace=None)


@pytest.fixture
async def busy(target: Target) -> Target:
    server = await target.pods.puppet()
    await server.listen(80)
    return target


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(frames, max_size=5), min_size=1, max_size=4))
async def test_any_frames_leave_a_node_as_it_was(
    busy: Target, said: Sequence[Sequence[Frame]]
) -> None:
    """What they say is taken or the stream ends; nothing of it stays."""
    sockets = busy.pods.statistics()[1]
    async with busy.dialled() as caller:
        await caller.greet()
        try:
            for some in said:
                await caller.say(*some)
        except aio.AioRpcError as error:
            assert error.code() in ENDED
    trunk = busy.pods.runtime.trunk
    trunk.set_peers([])
    peer = PeerSpec(
        name="first",
        address="unix:/nowhere",
        interfaces=(RemoteInterface(network="front", address=IPv4Address(STRANGER), prefix=16),),
    )
    trunk.set_peers([peer])
    await eventually(lambda: busy.pods.statistics()[1] == sockets)


async def test_trunks_are_encrypted_with_certificates_of_both_nodes() -> None:
    authority = trustme.CA()
    async with lab() as first, lab() as second:
        address = await opened(second, "127.0.0.1:0", issued(authority, "second"))
        mine = TrunkSettings(
            deployment="test",
            node="first",
            listen="127.0.0.1:0",
            token=TOKEN,
            certificates=issued(authority, "first"),
        )
        await first.runtime.trunk.open(mine)
        first.runtime.trunk.set_peers([PeerSpec(name="second", address=address)])
        trunk = first.runtime.trunk
        await eventually(lambda: trunk.statuses[0].connected)
        await trunk.close()
        await second.runtime.trunk.close()


@pytest.mark.parametrize("other", ["another authority", "another node", "none"])
async def test_who_has_no_certificate_of_the_node_it_says_it_is_gets_nowhere(other: str) -> None:
    authority = trustme.CA()
    certificates = {
        "another authority": issued(trustme.CA(), "first"),
        "another node": issued(authority, "third"),
        "none": None,
    }
    async with lab() as first, lab() as second:
        address = await opened(second, "127.0.0.1:0", issued(authority, "second"))
        mine = TrunkSettings(
            deployment="test",
            node="first",
            listen="127.0.0.1:0",
            token=TOKEN,
            certificates=certificates[other],
        )
        trunk = first.runtime.trunk
        await trunk.open(mine)
        trunk.set_peers([PeerSpec(name="second", address=address)])
        before = trunk.statuses[0].reason
        await eventually(lambda: trunk.statuses[0].reason != before)
        assert not trunk.statuses[0].connected
        if other == "another node":
            assert "has the certificate of another node" in trunk.statuses[0].reason
        await trunk.close()
        await second.runtime.trunk.close()


def issued(authority: trustme.CA, node: str) -> Certificates:
    certificate = authority.issue_cert(node)
    return Certificates(
        certificate=b"".join(blob.bytes() for blob in certificate.cert_chain_pems),
        key=certificate.private_key_pem.bytes(),
        authorities=authority.cert_pem.bytes(),
    )


@pytest.mark.parametrize(
    ("listen", "token", "reason"),
    [
        ("127.0.0.1:0", b"short", "token has 5 bytes; it needs at least 16"),
        ("unix:/nowhere/at/all", TOKEN, '"unix:/nowhere/at/all" cannot be listened on'),
    ],
)
async def test_a_trunk_that_cannot_be_says_why(listen: str, token: bytes, reason: str) -> None:
    async with lab() as pods:
        settings = TrunkSettings(deployment="test", node="second", listen=listen, token=token)
        with pytest.raises(TrunkSettingsError, match=reason):
            await pods.runtime.trunk.open(settings)
        with pytest.raises(TrunkSettingsError, match="open it before it gets peers"):
            pods.runtime.trunk.set_peers([])


async def test_peers_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    taken = RemoteInterface(network="front", address=IPv4Address("10.10.0.9"), prefix=16)
    own = RemoteInterface(network="front", address=IPv4Address("10.10.0.1"), prefix=16)
    async with lab() as pods:
        trunk = pods.runtime.trunk
        await opened(pods, "127.0.0.1:0")
        for peers in (
            [PeerSpec(name="second", address="x")],
            [PeerSpec(name="a", address="x"), PeerSpec(name="a", address="y")],
            [PeerSpec(name=name, address="x", interfaces=(taken,)) for name in ("a", "b")],
            [PeerSpec(name="a", address="x", interfaces=(own,))],
        ):
            with pytest.raises(TrunkSettingsError):
                trunk.set_peers(peers)
        await trunk.close()
