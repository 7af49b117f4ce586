"""The errors of trunks between nodes."""

from __future__ import annotations

from vnet.errors import VnetError


class TrunkError(VnetError):
    """Base of what can be wrong between two nodes."""


class PeerRefusedError(TrunkError):
    """The other node is not the one that it should be."""

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(peer, reason)
        self.peer, self.reason = peer, reason

    def __str__(self) -> str:
        return f'node "{self.peer}" {self.reason}'


class ProtocolError(TrunkError):
    """The other node said what the protocol does not allow."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the other node broke the trunk's protocol: {self.reason}"


class TrunkSettingsError(TrunkError):
    """A node cannot have a trunk like this."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"this node cannot have a trunk: {self.reason}"
