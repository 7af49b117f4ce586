"""What the gateway needs of a fabric.

Owns the protocol and its values only; the engine implements it over the kernel. Calls never block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutsideConnect:
    """A pod's connect to an address outside, which waits for an answer."""

    number: int
    source: IPv4Address
    source_port: int
    destination: IPv4Address
    port: int


@dataclass(frozen=True, slots=True)
class OutsideLookup:
    """A pod's lookup of a name that nobody in the deployment has; its thread waits."""

    number: int
    source: IPv4Address
    """One of the pod's addresses."""
    name: str


class GatewaySwitch(Protocol):
    """A fabric as seen from the gateway."""

    def open_gateway(self) -> int:
        """Open the way out; a descriptor to be watched for reading."""

    def close_gateway(self, descriptor: int) -> None:
        """Close the way out; connects and lookups that wait fail."""

    def take_connect(self) -> OutsideConnect | None:
        """Take the next connect; None when there is none."""

    def take_lookup(self) -> OutsideLookup | None:
        """Take the next lookup; None when there is none."""

    def within_policies(
        self, source: IPv4Address, targets: Sequence[IPv4Address | IPv6Address], port: int
    ) -> list[IPv4Address | IPv6Address]:
        """Return those targets that policies let a pod's address speak to; counted as one."""

    def accept(self, number: int) -> int:
        """Let a connect succeed; the descriptor of its other end.

        Raises:
            OSError: The client has gone (ENOENT), or there is no room.
        """

    def refuse(self, number: int, error: int) -> None:
        """Let a connect fail with an errno; nothing happens when the client has gone."""

    def answer(self, number: int, addresses: Sequence[IPv4Address]) -> None:
        """Answer a lookup; without addresses nobody has the name."""

    def withdrawn(self, numbers: Sequence[int]) -> list[int]:
        """Return those connects, of the ones taken, whose clients have gone."""
