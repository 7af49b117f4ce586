"""Echo requests that pods are made to send, and what becomes of them.

Owns the fabric's one descriptor for results, and who waits for which. Times are the kernel's, so
they are those of the simulation, however late this process gets to see them.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.host.watches import Event
from vnet.ping import EchoOutcome, EchoResult

if TYPE_CHECKING:
    from pod_node.engine.fabric import Fabric
    from vnet.host import Watches

_RESULT = struct.Struct("<4I2Q")
_BATCH = 256
_IDENTIFIERS = 1 << 32
REFUSALS = {
    errno.EHOSTUNREACH: EchoOutcome.HOST_UNREACHABLE,
    errno.ENETUNREACH: EchoOutcome.NETWORK_UNREACHABLE,
    errno.EADDRNOTAVAIL: EchoOutcome.HOST_UNREACHABLE,
    errno.ENOBUFS: EchoOutcome.TIMEOUT,
}
"""What it means that a request cannot be sent. Without memory it is lost, as on a full link; a
source that no pod has now cannot be reached by an answer."""


class Echoes:
    """Sends requests one by one; used on the event loop's thread."""

    def __init__(self, fabric: Fabric, watches: Watches) -> None:
        self._fabric = fabric
        self._watches = watches
        self._descriptor: int | None = None
        self._identifiers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[EchoResult]] = {}

    async def send(
        self,
        source: IPv4Address,
        target: IPv4Address,
        *,
        sequence: int,
        payload_bytes: int,
        timeout_s: float,
    ) -> EchoResult:
        """Send one request and wait for what becomes of it.

        Raises:
            OSError: the payload is larger than a packet (EMSGSIZE).
        """
        identifier = next(self._identifiers) % _IDENTIFIERS
        self._listen()
        answer: asyncio.Future[EchoResult] = asyncio.get_running_loop().create_future()
        self._waiting[identifier] = answer
        try:
            self._fabric.call(
                "host_echo_send", int(source), int(target), identifier, sequence, payload_bytes
            )
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            return EchoResult(outcome=EchoOutcome.TIMEOUT)
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            return EchoResult(outcome=REFUSALS[error.errno])
        finally:
            del self._waiting[identifier]

    def close(self) -> None:
        """Forget everybody who waits; they see a time-out."""
        if self._descriptor is not None:
            self._watches.forget(self._descriptor)
            self._fabric.close(self._descriptor)
            self._descriptor = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(EchoResult(outcome=EchoOutcome.TIMEOUT))

    def _listen(self) -> None:
        if self._descriptor is None:
            self._descriptor = self._fabric.call("host_echo_open")
            self._arm(self._descriptor)

    def _arm(self, descriptor: int) -> None:
        self._watches.watch(descriptor, Event.READ, self._readable)

    def _readable(self) -> None:
        for _ in range(_BATCH):
            if self._descriptor is None:
                return
            record = self._fabric.read(self._descriptor, _RESULT.size)
            if record is None:
                break
            self._tell(record)
        self._arm(self._descriptor)

    def _tell(self, record: bytes) -> None:
        identifier, _, _, error, sent, received = _RESULT.unpack(record)
        answer = self._waiting.get(identifier)
        if answer is None or answer.done():
            return  # too late, or a link's second copy
        if error:
            answer.set_result(EchoResult(outcome=REFUSALS[error]))
        else:
            answer.set_result(EchoResult(outcome=EchoOutcome.REPLY, rtt_ns=received - sent))
