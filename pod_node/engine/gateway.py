"""The gateway's calls into the kernel: what pods ask of the world outside, and the answers."""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from vnet.gateway import OutsideConnect, OutsideLookup

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric

_CONNECT = struct.Struct("<5I")
_LOOKUP = struct.Struct("<2I256s")
_TCP = 6
_IPV4 = 4
_NOBODY = 0
_NOT_ISOLATED = 0xFFFFFFFF


class FabricGateway:
    """One fabric's way out, as `vnet.gateway.GatewaySwitch` has it."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    def open_gateway(self) -> int:
        """Open the way out; a descriptor to be watched for reading."""
        return self._fabric.call("host_gateway_open")

    def close_gateway(self, descriptor: int) -> None:
        """Close the way out; connects and lookups that wait fail."""
        self._fabric.close(descriptor)

    def take_connect(self) -> OutsideConnect | None:
        """Take the next connect; None when there is none."""
        fabric = self._fabric
        if not fabric.call("host_gateway_take", fabric.staging):
            return None
        number, source, source_port, destination, port = _CONNECT.unpack_from(
            fabric.view, fabric.staging
        )
        return OutsideConnect(
            number, IPv4Address(source), source_port, IPv4Address(destination), port
        )

    def take_lookup(self) -> OutsideLookup | None:
        """Take the next lookup; None when there is none."""
        fabric = self._fabric
        if not fabric.call("host_resolve_take", fabric.staging):
            return None
        number, source, name = _LOOKUP.unpack_from(fabric.view, fabric.staging)
        text = name.partition(b"\0")[0].decode("utf-8", "replace")
        return OutsideLookup(number, IPv4Address(source), text)

    def within_policies(
        self, source: IPv4Address, targets: Sequence[IPv4Address | IPv6Address], port: int
    ) -> list[IPv4Address | IPv6Address]:
        """Return those targets that policies let a pod's address speak to; counted as one.

        Policies know IPv4 only: an address of IPv6 is for pods that none isolates.
        """
        within = [target for target in targets if self._is_within_policies(source, target, port)]
        counted = next((one for one in within or targets if one.version == _IPV4), None)
        if counted is not None:
            self._fabric.try_call("host_policy_decide", int(source), int(counted), _TCP, port)
        return within

    def _is_within_policies(
        self, source: IPv4Address, target: IPv4Address | IPv6Address, port: int
    ) -> bool:
        fabric = self._fabric
        number = int(target) if target.version == _IPV4 else _NOBODY
        verdict = fabric.try_call(
            "host_policy_explain", int(source), number, _TCP, port, fabric.staging
        )
        if target.version != _IPV4:
            egress, _ = struct.unpack_from("<2I", fabric.view, fabric.staging)
            return verdict == 0 and egress == _NOT_ISOLATED
        return verdict == 0

    def accept(self, number: int) -> int:
        """Let a connect succeed; the descriptor of its other end.

        Raises:
            OSError: The client has gone (ENOENT), or there is no room.
        """
        return self._fabric.call("host_gateway_accept", number)

    def refuse(self, number: int, error: int) -> None:
        """Let a connect fail with an errno; nothing happens when the client has gone."""
        self._unless_gone("host_gateway_refuse", number, error)

    def answer(self, number: int, addresses: Sequence[IPv4Address]) -> None:
        """Answer a lookup; without addresses nobody has the name."""
        fabric = self._fabric
        numbers = [int(address) for address in addresses]
        struct.pack_into(f"<{len(numbers)}I", fabric.view, fabric.staging, *numbers)
        self._unless_gone("host_resolve_answer", number, fabric.staging, len(numbers))

    def withdrawn(self, numbers: Sequence[int]) -> list[int]:
        """Return those connects, of the ones taken, whose clients have gone."""
        fabric = self._fabric
        gone: list[int] = []
        most = fabric.staging_size // 4
        for start in range(0, max(len(numbers), 1), most):
            batch = numbers[start : start + most]
            struct.pack_into(f"<{len(batch)}I", fabric.view, fabric.staging, *batch)
            count = fabric.call("host_gateway_withdrawn", fabric.staging, len(batch))
            gone += struct.unpack_from(f"<{count}I", fabric.view, fabric.staging)
        return gone

    def _unless_gone(self, name: str, *arguments: int) -> None:
        try:
            self._fabric.call(name, *arguments)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
