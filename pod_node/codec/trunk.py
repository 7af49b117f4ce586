"""Other nodes as messages of node.v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protos.node.v1 import trunk_pb2 as pb
from vnet.codec import fields
from vnet.trunk import Certificates, PeerSpec, PeerStatus, RemoteInterface, TrunkSettings
from vnet.trunk.settings import OUTAGE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_OUTAGE_MS = 3_600_000
"""An hour; who waits longer for another node has lost it."""


def settings_to_message(settings: TrunkSettings) -> pb.OpenTrunkRequest:
    """Write who a node is."""
    request = pb.OpenTrunkRequest(
        deployment=settings.deployment,
        node=settings.node,
        listen=settings.listen,
        token=settings.token,
        outage_ms=round(settings.outage_s * 1000),
    )
    if settings.certificates is not None:
        request.certificates.certificate = settings.certificates.certificate
        request.certificates.key = settings.certificates.key
        request.certificates.authorities = settings.certificates.authorities
    return request


def settings_from_message(message: pb.OpenTrunkRequest) -> TrunkSettings:
    """Read who a node is.

    Raises:
        InvalidMessageError: a name is missing, or a number is out of its range.
    """
    outage_ms = fields.within("outage_ms", message.outage_ms, 0, MOST_OUTAGE_MS)
    certificates = message.certificates
    return TrunkSettings(
        deployment=fields.filled("deployment", message.deployment),
        node=fields.filled("node", message.node),
        listen=fields.filled("listen", message.listen),
        token=message.token,
        certificates=Certificates(
            certificate=certificates.certificate,
            key=certificates.key,
            authorities=certificates.authorities,
        )
        if message.HasField("certificates")
        else None,
        outage_s=outage_ms / 1000 if outage_ms else OUTAGE_S,
    )


def peers_to_message(peers: Iterable[PeerSpec]) -> pb.SetPeersRequest:
    """Write all other nodes."""
    return pb.SetPeersRequest(peers=[_peer_to_message(peer) for peer in peers])


def _peer_to_message(peer: PeerSpec) -> pb.Peer:
    return pb.Peer(
        name=peer.name,
        address=peer.address,
        interfaces=[
            pb.RemoteInterface(
                network=one.network, address=str(one.address), prefix_bits=one.prefix
            )
            for one in peer.interfaces
        ],
    )


def peers_from_message(message: pb.SetPeersRequest) -> list[PeerSpec]:
    """Read all other nodes.

    Raises:
        InvalidMessageError: a name or an address is missing or none.
    """
    return [_peer_from_message(peer) for peer in message.peers]


def _peer_from_message(message: pb.Peer) -> PeerSpec:
    return PeerSpec(
        name=fields.filled("peers.name", message.name),
        address=fields.filled("peers.address", message.address),
        interfaces=tuple(
            RemoteInterface(
                network=one.network,
                address=fields.address("peers.interfaces.address", one.address),
                prefix=fields.within("peers.interfaces.prefix_bits", one.prefix_bits, 0, 32),
            )
            for one in message.interfaces
        ),
    )


def statuses_to_message(statuses: Iterable[PeerStatus]) -> pb.ListPeersResponse:
    """Write what is known of the other nodes."""
    return pb.ListPeersResponse(
        peers=[
            pb.PeerStatus(
                name=one.name, connected=one.connected, reason=one.reason, flows=one.flows
            )
            for one in statuses
        ]
    )


def statuses_from_message(message: pb.ListPeersResponse) -> Sequence[PeerStatus]:
    """Read what is known of the other nodes."""
    return [
        PeerStatus(name=one.name, connected=one.connected, reason=one.reason, flows=one.flows)
        for one in message.peers
    ]
