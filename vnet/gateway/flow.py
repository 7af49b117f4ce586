"""One connect to the world outside, from its admission to the end of its connection.

Owns the order of things: resolve, check each address, dial one of them, let the guest's connect
succeed, move bytes, report.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnet.egress import Decision, EgressAttempt, EgressEnded, EgressHappening, Ending
from vnet.gateway.dial import ADDRESSES_MOST, Address, Resolve, dial, is_own
from vnet.gateway.legs import READ_BYTES, Leg, Splice

if TYPE_CHECKING:
    import socket

    from vnet.gateway.gate import Admitted, Gate
    from vnet.gateway.switch import GatewaySwitch, OutsideConnect
    from vnet.host import HostEndpoint

_PASSED_ON = frozenset(
    [errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.ENETUNREACH, errno.EHOSTUNREACH]
)
_NO_ROOM = frozenset(
    [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN]
)


@dataclass(frozen=True, slots=True)
class Resident:
    """Who has an address inside."""

    pod: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all flows of a gateway share."""

    switch: GatewaySwitch
    endpoint: HostEndpoint
    gate: Gate
    resolve: Resolve
    connect_s: float
    """For resolving and dialling together."""
    report: Callable[[EgressHappening], None]
    decided: Callable[[int], None]
    """Told the number of each connect that waits no longer."""


class _AddressesDeniedError(Exception):
    """Every address of a destination is in the deny set."""


class Flow:
    """An admitted connect, and the connection that it becomes."""

    def __init__(
        self,
        around: Surroundings,
        number: int,
        resident: Resident,
        connect: OutsideConnect,
        admitted: Admitted,
    ) -> None:
        self._around, self._number = around, number
        self._connect, self._loop = connect, asyncio.get_running_loop()
        self._started_s = self._loop.time()
        self.resident, self.admitted = resident, admitted
        self.pod_gone = False
        """Whoever cancels says so first."""

    async def run(self) -> None:
        """Serve the connect to its end. Cancelling refuses or resets it."""
        try:
            async with asyncio.timeout(self._around.connect_s):
                permitted = await self._permitted()
                address, opened = await self._dial(list(permitted))
        except _AddressesDeniedError as error:
            self._refuse(errno.EACCES, Decision.DENIED, str(error))
        except OSError as error:
            self._refuse(_guest_errno(error), Decision.FAILED, _described(error))
        except asyncio.CancelledError:
            self._refuse(errno.ENETUNREACH, Decision.FAILED, "nobody waits for it any more")
            raise
        else:
            await self._carry(address, permitted[address], opened)

    async def _permitted(self) -> dict[Address, str]:
        """The addresses that may be dialled, with their rules.

        Raises:
            _AddressesDeniedError: None of them may.
            OSError: The name has no address.
        """
        name = self.admitted.name
        resolved = [self.admitted.address] if name is None else await self._around.resolve(name)
        choice = self._around.gate.choose(self.admitted, resolved[:ADDRESSES_MOST], is_own)
        if not choice.permitted:
            if not choice.refusals:
                raise OSError(errno.EHOSTUNREACH, f"{name} has no address")
            raise _AddressesDeniedError(", ".join(choice.refusals))
        return choice.permitted if name is None else self._within_policies(choice.permitted)

    def _within_policies(self, addresses: dict[Address, str]) -> dict[Address, str]:
        """Ask the policies, which the fabric could not ask for a name."""
        within = self._around.switch.within_policies(
            self._connect.source, list(addresses), self.admitted.port
        )
        if not within:
            raise _AddressesDeniedError("the service's policies allow none of its addresses")
        return {address: addresses[address] for address in within}

    async def _dial(
        self, addresses: list[Address]
    ) -> tuple[Address, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        address, connected = await dial(addresses, self.admitted.port)
        return address, await _streams(connected)

    async def _carry(
        self,
        address: Address,
        rule: str,
        opened: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        outside = Leg(*opened)
        try:
            descriptor = self._around.switch.accept(self._connect.number)
        except OSError as error:
            outside.reset()
            self._report_attempt(Decision.FAILED, f"the pod's side: {_described(error)}")
            return
        finally:
            self._around.decided(self._connect.number)
        self._report_attempt(Decision.ALLOWED, rule=rule, address=str(address))
        inside = Leg(*self._around.endpoint.adopt(descriptor, limit=READ_BYTES))
        await self._splice(Splice(inside, outside, self._count))

    def _count(self, size: int) -> bool:
        return self._around.gate.transferred(self.admitted.service, size)

    async def _splice(self, splice: Splice) -> None:
        standing_since_s = self._loop.time()
        ending = Ending.RESET
        try:
            ending = await splice.run()
        finally:
            self._around.report(
                EgressEnded(
                    number=self._number,
                    pod=self.resident.pod,
                    service=self.resident.service,
                    target=self.admitted.target,
                    port=self.admitted.port,
                    ending=Ending.POD_GONE if self.pod_gone else ending,
                    sent_bytes=splice.sent_bytes,
                    received_bytes=splice.received_bytes,
                    duration_s=self._loop.time() - standing_since_s,
                )
            )

    def _refuse(self, error: int, decision: Decision, reason: str) -> None:
        self._around.decided(self._connect.number)
        self._around.switch.refuse(self._connect.number, error)
        self._report_attempt(decision, reason)

    def _report_attempt(
        self, decision: Decision, reason: str = "", *, rule: str = "", address: str = ""
    ) -> None:
        self._around.report(
            EgressAttempt(
                number=self._number,
                pod=self.resident.pod,
                service=self.resident.service,
                target=self.admitted.target,
                port=self.admitted.port,
                decision=decision,
                rule=rule or self.admitted.rule,
                address=address,
                reason=reason,
                duration_s=self._loop.time() - self._started_s,
            )
        )


async def _streams(
    connected: socket.socket,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(sock=connected, limit=READ_BYTES)
    except BaseException:
        connected.close()
        raise


def _guest_errno(error: OSError) -> int:
    """The errno that a guest's connect fails with."""
    if error.errno in _PASSED_ON:
        return int(error.errno)
    if isinstance(error, TimeoutError):
        return errno.ETIMEDOUT
    return errno.ENOBUFS if error.errno in _NO_ROOM else errno.EHOSTUNREACH


def _described(error: OSError) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return "nobody answered in time"
    return error.strerror or (os.strerror(error.errno) if error.errno else str(error))
