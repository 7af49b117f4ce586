"""The trunk's calls into the kernel: what pods say to pods of other nodes, and the answers."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from vnet.trunk.frames import Asked, Buffers, Ends, Packet, Reason
from vnet.trunk.switch import RemoteConnect, TrunkDescriptors

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric

_DESCRIPTORS = struct.Struct("<3i")
_CONNECT = struct.Struct("<7I")
_ENDS = struct.Struct("<6I")
_RECORD = struct.Struct("<Q10I")
_CORRUPT, _BROADCAST, _REPLY = 1, 2, 4
_TCP = 6
_U32 = 0xFFFFFFFF
_NO_BUFFERS = Buffers(0, 0)
_ERRNOS = {
    Reason.REFUSED: errno.ECONNREFUSED,
    Reason.UNREACHABLE: errno.EHOSTUNREACH,
    Reason.RESET: errno.ECONNREFUSED,  # before the handshake was over: RFC 9293 3.10.7.3
    Reason.TIMED_OUT: errno.ETIMEDOUT,
    Reason.NO_ROOM: errno.ENOBUFS,
}
_LOST = frozenset([errno.EADDRNOTAVAIL, errno.EHOSTUNREACH, errno.ENOBUFS, errno.EINVAL])


class FabricTrunk:
    """One fabric's way to other nodes, as `vnet.trunk.TrunkSwitch` has it."""

    def __init__(self, fabric: Fabric, numbers: Callable[[], Mapping[str, int]]) -> None:
        """Take what it needs.

        Args:
            fabric: The kernel.
            numbers: Tells the numbers of the networks.
        """
        self._fabric = fabric
        self._numbers = numbers
        self._exchange = fabric.control.function("host_trunk_exchange", 5)
        self.read = fabric.read
        self.shutdown_write = fabric.shutdown_write
        self.reset_on_close = fabric.reset_on_close
        self.error = fabric.error
        self.close = fabric.close

    def open_trunk(self, byte_limit: int, socket_limit: int) -> TrunkDescriptors:
        """Serve; what comes from other nodes takes no more than this."""
        fabric = self._fabric
        fabric.call("host_trunk_open", byte_limit, socket_limit, fabric.staging)
        return TrunkDescriptors(*_DESCRIPTORS.unpack_from(fabric.view, fabric.staging))

    def close_trunk(self, descriptors: TrunkDescriptors) -> None:
        """Serve no longer: nobody is elsewhere."""
        for descriptor in descriptors:  # the kernel wants the first one to go first
            self._fabric.close(descriptor)

    def attach_remote(self, network: str, ipv4: int, prefix: int) -> None:
        """Note that a pod elsewhere has an address."""
        self._fabric.call("host_trunk_attach", self._numbers()[network], ipv4, prefix)

    def detach_remote(self, ipv4: int) -> None:
        """Note that nobody elsewhere has it any more."""
        self._fabric.call("host_trunk_detach", ipv4)

    def take_connect(self) -> RemoteConnect | None:
        """Take the next connect; None when there is none."""
        fabric = self._fabric
        if not fabric.call("host_trunk_take", fabric.staging):
            return None
        number, *ends, send, receive = _CONNECT.unpack_from(fabric.view, fabric.staging)
        return RemoteConnect(number, Ends(*ends), Buffers(send, receive))

    def accept_connect(self, number: int, buffers: Buffers) -> int:
        """Let a connect succeed to a far end with these buffers; a descriptor of this end.

        Raises:
            OSError: The client has gone (ENOENT), or there is no room.
        """
        return self._fabric.call("host_trunk_accept", number, buffers.send, buffers.receive)

    def refuse_connect(self, number: int, reason: Reason) -> None:
        """Let a connect fail; nothing happens when the client has gone."""
        self._fabric.try_call("host_trunk_refuse", number, _ERRNOS[reason])

    def withdrawn(self, numbers: Sequence[int]) -> list[int]:
        """Return those connects, of the ones taken, whose clients have gone."""
        fabric = self._fabric
        gone: list[int] = []
        most = fabric.staging_size // 4
        for start in range(0, max(len(numbers), 1), most):
            batch = numbers[start : start + most]
            struct.pack_into(f"<{len(batch)}I", fabric.view, fabric.staging, *batch)
            count = fabric.call("host_trunk_withdrawn", fabric.staging, len(batch))
            gone += struct.unpack_from(f"<{count}I", fabric.view, fabric.staging)
        return gone

    def accept_simulated(self, listener: int) -> tuple[int, Ends, Buffers] | None:
        """Take the next connection from the listener, with its client's buffers."""
        descriptor = self._fabric.accept(listener)
        if descriptor is None:
            return None
        source, source_port = self._endpoint(descriptor, remote=True)
        target, target_port = self._endpoint(descriptor, remote=False)
        ends = Ends(source, source_port, target, target_port)
        return descriptor, ends, self.far_buffers(descriptor)

    def _endpoint(self, descriptor: int, *, remote: bool) -> tuple[int, int]:
        call = self._fabric.control.function("host_endpoint", 2)
        packed = call.call(descriptor, int(remote))
        return packed >> 16 & _U32, packed & 0xFFFF

    def take_record(self, records: int) -> Packet | Asked | None:
        """Take the next packet or SYN; None when there is none."""
        record = self._fabric.read(records, self._fabric.staging_size)
        if record is None:
            return None
        elapsed, protocol, flags, *ends, to, identifier, sequence, refused = _RECORD.unpack_from(
            record
        )
        if protocol == _TCP:
            return Asked(Ends(*ends))
        return Packet(
            protocol,
            Ends(*ends),
            record[_RECORD.size :],
            bool(flags & _CORRUPT),
            to if flags & _BROADCAST else 0,
            identifier,
            sequence,
            bool(flags & _REPLY),
            refused,
            elapsed,
        )

    def answer(self, ends: Ends, refused: Reason | None, buffers: Buffers) -> None:
        """Tell a SYN's sender what the far node's listener says."""
        self._put_ends(ends, buffers)
        error = _ERRNOS[refused] if refused else 0
        self._fabric.control.function("host_trunk_answer", 2).call(self._fabric.staging, error)

    def probe(self, ends: Ends) -> Buffers | Reason | None:
        """Ask whether somebody listens at a target here: its buffers, why not, None: no room."""
        call = self._fabric.control.function("host_trunk_probe", 2)
        found = call.call(ends.target, ends.target_port)
        if found >= 0:
            return Buffers(found >> 32, found & _U32)
        if found == -errno.EAGAIN:
            return None
        return Reason.REFUSED if found == -errno.ECONNREFUSED else Reason.UNREACHABLE

    def connect_arrived(self, ends: Ends, buffers: Buffers) -> int:
        """Begin a connection from elsewhere to a pod here; watch it for writing, then ask `error`.

        Raises:
            OSError: Nobody listens (ECONNREFUSED) or is there (EHOSTUNREACH), or no room.
        """
        self._put_ends(ends, buffers)
        return self._fabric.call("host_trunk_connect", self._fabric.staging)

    def _put_ends(self, ends: Ends, buffers: Buffers) -> None:
        _ENDS.pack_into(self._fabric.view, self._fabric.staging, *ends, *buffers)

    def far_buffers(self, descriptor: int) -> Buffers:
        """The buffers of the pod's end of a connection, once it is open."""
        packed = self._fabric.control.function("host_trunk_buffers", 1).call(descriptor)
        return Buffers(packed >> 32 & _U32, packed & _U32) if packed >= 0 else _NO_BUFFERS

    def deliver(self, packet: Packet) -> None:
        """Let a packet from elsewhere arrive; one that cannot is lost."""
        fabric, ends, payload = self._fabric, packet.ends, packet.payload
        flags = _CORRUPT * packet.corrupt | _REPLY * packet.reply
        _RECORD.pack_into(
            fabric.view,
            fabric.staging,
            packet.elapsed_ns,
            packet.protocol,
            flags | (_BROADCAST if packet.broadcast_to else 0),
            *ends,
            packet.broadcast_to,
            packet.identifier,
            packet.sequence,
            packet.refused,
        )
        start = fabric.staging + _RECORD.size
        fabric.view[start : start + len(payload)] = payload
        result = fabric.try_call("host_trunk_deliver", fabric.staging, len(payload))
        assert result == 0 or -result in _LOST, result

    def write_arrived(self, descriptor: int, data: bytes) -> int:
        """Give bytes; how many were taken.

        Raises:
            OSError: The pod has closed its end (EPIPE), or reset the connection.
        """
        fabric = self._fabric
        size = min(len(data), fabric.staging_size)
        fabric.view[fabric.staging : fabric.staging + size] = data[:size]
        return _given(fabric.try_call("host_trunk_write", descriptor, fabric.staging, size))

    def exchange(self, descriptor: int, data: bytes, room: int, ns: int) -> tuple[int, bytes]:
        """Give bytes, and wait a moment for an answer when all were taken.

        Raises:
            OSError: As of `write_arrived`.
        """
        fabric, staging = self._fabric, self._fabric.staging
        size = min(len(data), fabric.staging_size)
        fabric.view[staging : staging + size] = data[:size]
        room = min(room, fabric.staging_size)
        packed = self._exchange.call(descriptor, staging, size, room, ns)
        if packed < 0:
            return _given(packed), b""
        return packed >> 32, bytes(fabric.view[staging : staging + (packed & _U32)])


def _given(count: int) -> int:
    """What a pod has taken of what it was given."""
    if count == -errno.EAGAIN:
        return 0
    if count < 0:
        raise OSError(-count, "the pod takes no more")
    return count
