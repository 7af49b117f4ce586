"""The way to a node on another machine: TCP with mutual TLS.

Owns the channel. The node proves with its certificate that it is the one of that name, and obeys
because of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from grpc import aio

from orchestrator.codec.calls import MESSAGE_BYTES

KEEPALIVE_MS = 5_000
"""How long a connection may be silent before it is asked, and then before it counts as broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The orchestrator's side of mutual TLS; all PEM."""

    certificate: bytes
    key: bytes
    nodes: bytes
    """The authority of the nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """Where a node is, and how it is known to be the right one."""

    target: str
    """`host:port`."""
    name: str
    """What its certificate says."""
    credentials: ClientCredentials


def open_secured_channel(address: NodeAddress) -> aio.Channel:
    """Make a channel to a node; it connects with the first call."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=address.credentials.nodes,
        private_key=address.credentials.key,
        certificate_chain=address.credentials.certificate,
    )
    options = [
        ("grpc.ssl_target_name_override", address.name),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return aio.secure_channel(address.target, credentials, options=options)
