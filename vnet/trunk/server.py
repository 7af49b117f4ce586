"""Where other nodes dial, and how this one dials them: gRPC over a socket, with TLS or without.

Owns the options of both sides, the statuses of what goes wrong, and the bound of streams that have
not proved yet whose they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
from google.protobuf.internal import api_implementation
from grpc import aio

from protos.vnet.v1 import trunk_pb2 as pb
from protos.vnet.v1.trunk_pb2_grpc import (
    TrunkServiceServicer,
    add_TrunkServiceServicer_to_server,
)
from vnet.errors import VnetError
from vnet.trunk.errors import PeerRefusedError, TrunkSettingsError
from vnet.trunk.settings import Certificates, PeerSpec, TrunkSettings
from vnet.trunk.stream import StreamEndedError

STREAMS_MOST = 1024
"""At once, proved or not: one for each other node, and some that are being replaced."""
MESSAGE_MOST_BYTES = 16 << 20
"""A batch is smaller."""
KEEPALIVE_MS = 5_000
"""How long a trunk may be silent before it is asked, and then before it counts as broken."""
_BOTH = (
    ("grpc.max_receive_message_length", MESSAGE_MOST_BYTES),
    ("grpc.max_send_message_length", MESSAGE_MOST_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
    ("grpc.http2.max_pings_without_data", 0),
)
_SERVER = (
    *_BOTH,
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    ("grpc.so_reuseport", 0),
)
_CHANNEL = (*_BOTH, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))

Context: TypeAlias = aio.ServicerContext[pb.TrunkMessage, pb.TrunkMessage]
Attend: TypeAlias = Callable[[Context], Awaitable[None]]


class TrunkService(TrunkServiceServicer):
    """Answers the call of other nodes."""

    def __init__(self, attend: Attend) -> None:
        self._attend = attend
        self._streams = 0

    async def Connect(self, request_iterator: object, context: Context) -> None:  # type: ignore[override]
        """Carry frames until either side has enough."""
        if self._streams == STREAMS_MOST:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams at once")
        self._streams += 1
        try:
            await self._attend(context)
        except PeerRefusedError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except VnetError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "it did not greet in time")
        except StreamEndedError:
            return
        finally:
            self._streams -= 1


class TrunkServer:
    """Listens for other nodes."""

    def __init__(self, settings: TrunkSettings, attend: Attend) -> None:
        self._settings = settings
        self._server = aio.server(options=_SERVER)
        add_TrunkServiceServicer_to_server(TrunkService(attend), self._server)

    async def start(self) -> str:
        """Listen; where.

        Raises:
            TrunkSettingsError: That cannot be listened on, or would be far too slow.
        """
        check_backend()
        listen = self._settings.listen
        try:
            port = self._bind(listen)
        except RuntimeError as error:
            raise TrunkSettingsError(f'"{listen}" cannot be listened on: {error}') from error
        await self._server.start()
        return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"

    def _bind(self, listen: str) -> int:
        certificates = self._settings.certificates
        if certificates is None:
            return self._server.add_insecure_port(listen)
        credentials = grpc.ssl_server_credentials(
            [(certificates.key, certificates.certificate)],
            root_certificates=certificates.authorities,
            require_client_auth=True,
        )
        return self._server.add_secure_port(listen, credentials)

    async def stop(self) -> None:
        """Listen no longer, and end what was dialled."""
        await self._server.stop(grace=None)


def check_backend() -> None:
    """Make sure that protobuf is fast.

    Raises:
        TrunkSettingsError: It is not.
    """
    kind = api_implementation.Type()
    if kind != "upb":
        raise TrunkSettingsError(
            f"protobuf runs on its slow backend ({kind}); install a wheel of it that has upb, "
            "and unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
        )


def open_channel(peer: PeerSpec, settings: TrunkSettings) -> aio.Channel:
    """Make a channel to another node; nothing is dialled yet."""
    if settings.certificates is None:
        return aio.insecure_channel(peer.address, options=_CHANNEL)
    credentials = _channel_credentials(settings.certificates)
    options = (*_CHANNEL, ("grpc.ssl_target_name_override", peer.name))
    return aio.secure_channel(peer.address, credentials, options=options)


def _channel_credentials(certificates: Certificates) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=certificates.authorities,
        private_key=certificates.key,
        certificate_chain=certificates.certificate,
    )


def check_certificate(context: Context, settings: TrunkSettings, node: str) -> None:
    """Make sure that a node that dialled has the certificate of that name.

    Raises:
        PeerRefusedError: It has not.
    """
    if settings.certificates is None:
        return
    names = context.auth_context().get("x509_subject_alternative_name", [])
    if node.encode() not in names:
        raise PeerRefusedError(node, "has the certificate of another node")
