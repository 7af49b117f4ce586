"""What a node is told of itself and of other nodes, as values.

Owns what makes no sense in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from vnet.trunk.errors import TrunkSettingsError

OUTAGE_S = 60.0
"""How long flows outlive a broken trunk: Linux's tcp_fin_timeout, and several retransmissions."""
TOKEN_LEAST_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What a node proves with that it is itself, and knows others by; all PEM."""

    certificate: bytes
    """Its name is that of the node."""
    key: bytes
    authorities: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSettings:
    """How a node speaks with others."""

    deployment: str
    node: str
    listen: str
    """`host:port`, with port 0 for any, or `unix:path`."""
    token: bytes
    """The deployment's; the same on all nodes."""
    certificates: Certificates | None = None
    """Without them nothing is encrypted."""
    outage_s: float = OUTAGE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteInterface:
    """An address that a pod on another node has."""

    network: str
    address: IPv4Address
    prefix: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSpec:
    """Another node of the deployment, and the pods that it runs."""

    name: str
    address: str
    """Where its trunk listens: `host:port` or `unix:path`."""
    interfaces: tuple[RemoteInterface, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """What is known of another node."""

    name: str
    connected: bool
    reason: str
    """Why there is no stream; empty while there is one."""
    flows: int


def check_settings(settings: TrunkSettings) -> None:
    """Make sure that a node can have such a trunk.

    Raises:
        TrunkSettingsError: It cannot.
    """
    if len(settings.token) < TOKEN_LEAST_BYTES:
        raise TrunkSettingsError(
            f"the deployment's token has {len(settings.token)} bytes; "
            f"it needs at least {TOKEN_LEAST_BYTES}"
        )
    if not settings.node or not settings.deployment:
        raise TrunkSettingsError("the node and the deployment need names")


def find_owners(own: str, peers: Sequence[PeerSpec]) -> dict[int, str]:
    """Say which node has which address.

    Raises:
        TrunkSettingsError: Two have the same name or address, or one is this node itself.
    """
    owners: dict[int, str] = {}
    names: dict[str, None] = {}
    for peer in peers:
        if peer.name == own or peer.name in names or not peer.name:
            raise TrunkSettingsError(f'"{peer.name}" is no name for one more node')
        names[peer.name] = None
        for interface in peer.interfaces:
            other = owners.setdefault(int(interface.address), peer.name)
            if other != peer.name:
                raise TrunkSettingsError(
                    f'{interface.address} is on node "{peer.name}" and on node "{other}"'
                )
    return owners
