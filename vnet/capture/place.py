"""What a capture is asked for, and what it gives at a time: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from vnet.capture.packet import CapturedPacket


@dataclass(frozen=True, slots=True)
class InterfacePlace:
    """An interface: what it sends and what it receives."""

    address: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlace:
    """A link of the configuration: what crosses it, and what does not get across."""

    link: str
    forward: bool = True
    backward: bool = True


CapturePlace: TypeAlias = InterfacePlace | LinkPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureWish:
    """Which packets somebody wants to see."""

    place: CapturePlace
    filter: str = ""
    """An expression of pcap-filter(7); empty means all."""
    snapshot_bytes: int = 0
    """Kept of each packet; 0 keeps all."""
    count: int = 0
    """0 goes on until told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBatch:
    """Packets that passed at about the same time."""

    packets: tuple[CapturedPacket, ...]
    lost: int = 0
    """Packets that passed before these and were not kept, because nobody took them in time."""
