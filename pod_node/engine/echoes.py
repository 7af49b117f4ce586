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
    from collections.abc import Callable

    from pod_node.engine.fabric import Fabric
    from vnet.host import Watches

    Denier = Callable[[IPv4Address, IPv4Address], str]

_RESULT = struct.Struct("<4I2Q")
_BATCH = 256
_IDENTIFIERS = 1 << 32
REFUSALS = {
    errno.EHOSTUNREACH: EchoOutcome.HOST_UNREACHABLE,
    errno.ENETUNREACH: EchoOutcome.NETWORK_UNREACHABLE,
    errno.EADDRNOTAVAIL: EchoOutcome.HOST_UNREACHABLE,
    errno.ENOBUFS: EchoOutcome.TIMEOUT,
    errno.EACCES: EchoOutcome.DENIED,
}
"""What it means that a request cannot be sent. Without memory it is lost, as on a full link; a
source that no pod has now cannot be reached by an answer."""


class Echoes:
    """Sends requests one by one; used on the event loop's thread."""

    def __init__(self, fabric: Fabric, watches: Watches, denier: Denier) -> None:
        """Take what they need.

        Args:
            fabric: Where requests are sent.
            watches: Tell when there are results.
            denier: Names the policy that denies echoes between two addresses.
        """
        self._fabric = fabric
        self._denier = denier
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
            denied = error.errno == errno.EACCES
            policy = self._denier(source, target) if denied else ""
            return EchoResult(outcome=REFUSALS[error.errno], policy=policy)
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
            self._watches.watch(self._descriptor, Event.READ, self._readable)

    def _readable(self) -> None:
        if self._descriptor is None:
            return
        for _ in range(_BATCH):
            record = self._fabric.read(self._descriptor, _RESULT.size)
            if record is None:
                break
            self._tell(record)
        self._watches.watch(self._descriptor, Event.READ, self._readable)

    def _tell(self, record: bytes) -> None:
        identifier, _, _, error, sent, received = _RESULT.unpack(record)
        answer = self._waiting.get(identifier)
        if answer is None or answer.done():
            return  # too late, or a link's second copy
        if error:
            answer.set_result(EchoResult(outcome=REFUSALS[error]))
        else:
            answer.set_result(EchoResult(outcome=EchoOutcome.REPLY, rtt_ns=received - sent))
