"""The gateway: answers pods' lookups of names outside, and serves their connects.

Owns the way out of one fabric and the flows through it. What is allowed is the gate's to say; how
one flow goes is `flow.py`'s business. Everything runs on the event loop.

What a guest's connect sees: EACCES when it is denied, as on a Linux route of type `prohibit`;
ECONNREFUSED, ECONNRESET, ETIMEDOUT, ENETUNREACH or EHOSTUNREACH as dialling went; EHOSTUNREACH when
a name has no address; ENOBUFS when this machine has no room for one more connection.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from vnet.egress import Decision, EgressAttempt, EgressHappening
from vnet.gateway.dial import Resolve
from vnet.gateway.flow import Flow, Resident, Surroundings
from vnet.gateway.gate import Denied, Gate
from vnet.host import Event
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from vnet.configuration import Egress, GuardedPorts
    from vnet.gateway.switch import GatewaySwitch, OutsideConnect
    from vnet.host import HostEndpoint, Watches

CONNECT_S = 30.0
"""Sooner than a guest gives up by itself, and than most programs do."""
BATCH = 64
"""Requests of a kind that are taken in one turn of the event loop."""


class Gateway:
    """The way out of one fabric; closed until it is opened."""

    def __init__(
        self,
        switch: GatewaySwitch,
        endpoint: HostEndpoint,
        watches: Watches,
        residents: Callable[[IPv4Address], Resident | None],
        report: Callable[[EgressHappening], None],
        *,
        resolve: Resolve,
        connections_most: int,
        connect_s: float = CONNECT_S,
    ) -> None:
        """Prepare a gateway.

        Args:
            switch: The fabric's requests and answers.
            endpoint: Adopts the fabric's ends of connections.
            watches: Tells of requests.
            residents: Tells who has an address inside.
            report: Takes what happens.
            resolve: Looks up names outside.
            connections_most: Of all services together; each takes a descriptor of this process.
            connect_s: How long resolving and dialling may take together.
        """
        self._switch, self._watches = switch, watches
        self._residents, self._report = residents, report
        self._connections_most = connections_most
        self._gate = Gate()
        self._around = Surroundings(
            switch=switch,
            endpoint=endpoint,
            gate=self._gate,
            resolve=resolve,
            connect_s=connect_s,
            report=report,
            decided=self._decided,
        )
        self._tasks = TaskOwner()
        self._flows: dict[Flow, asyncio.Task[None]] = {}
        self._waiting: dict[int, asyncio.Task[None]] = {}
        """Those whose connects are not decided yet, by the connects' numbers."""
        self._numbers = itertools.count(1)
        self._descriptor: int | None = None

    def configure(self, egress: Iterable[Egress], guarded: Iterable[GuardedPorts] = ()) -> None:
        """Replace all rules and limits, and what they do not open; connections that stand go on."""
        self._gate.configure(egress, guarded)

    def open(self) -> None:
        """Let pods out; doing it again changes nothing."""
        if self._descriptor is None:
            self._descriptor = self._switch.open_gateway()
            self._arm()

    def close(self) -> None:
        """Let nobody out any more, and reset the connections that stand."""
        if self._descriptor is not None:
            self._watches.forget(self._descriptor)
            self._switch.close_gateway(self._descriptor)
            self._descriptor = None
        self._tasks.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing of what `close` has ended is left."""
        await self._tasks.cancel_all()

    def lookup(self, source: IPv4Address, name: str) -> IPv4Address | None:
        """Return the address that stands for a name to who has `source`; None when denied."""
        resident = self._residents(source)
        if resident is None or self._descriptor is None:
            return None
        answer = self._gate.lookup(resident.service, name)
        if isinstance(answer, Denied):
            self._report_denied(resident, answer, port=0)
            return None
        return answer

    def remove_pod(self, pod: str) -> None:
        """Reset all connections of a pod that has ended."""
        for flow, task in list(self._flows.items()):
            if flow.resident.pod == pod:
                flow.pod_gone = True
                task.cancel()

    def _arm(self) -> None:
        if self._descriptor is not None:
            self._watches.watch(self._descriptor, Event.READ, self._ready)

    def _ready(self) -> None:
        if self._descriptor is None:
            return
        try:
            self._drop_withdrawn()
            self._take_lookups()
            self._take_connects()
        finally:
            self._arm()

    def _drop_withdrawn(self) -> None:
        """Dial no longer for clients that have gone."""
        for number in self._switch.withdrawn(list(self._waiting)):
            self._waiting[number].cancel()

    def _take_lookups(self) -> None:
        for _ in range(BATCH):
            lookup = self._switch.take_lookup()
            if lookup is None:
                return
            address = self.lookup(lookup.source, lookup.name)
            self._switch.answer(lookup.number, [] if address is None else [address])

    def _take_connects(self) -> None:
        for _ in range(BATCH):
            connect = self._switch.take_connect()
            if connect is None:
                return
            self._take(connect)

    def _take(self, connect: OutsideConnect) -> None:
        resident = self._residents(connect.source)
        if resident is None:
            self._switch.refuse(connect.number, errno.EACCES)
            return
        if len(self._flows) >= self._connections_most:
            full = Denied(target=str(connect.destination), reason="the node has no room for more")
            self._report_denied(resident, full, connect.port)
            self._switch.refuse(connect.number, errno.ENOBUFS)
            return
        admitted = self._gate.admit(resident.service, connect.destination, connect.port)
        if isinstance(admitted, Denied):
            self._report_denied(resident, admitted, connect.port)
            self._switch.refuse(connect.number, errno.EACCES)
            return
        flow = Flow(self._around, next(self._numbers), resident, connect, admitted)
        name = f"{resident.pod} to {admitted.target} port {admitted.port}"
        task = self._tasks.spawn(flow.run(), name)
        self._flows[flow] = self._waiting[connect.number] = task
        task.add_done_callback(lambda _: self._ended(flow, connect.number))

    def _decided(self, number: int) -> None:
        self._waiting.pop(number, None)

    def _ended(self, flow: Flow, number: int) -> None:
        """Also of a flow that was cancelled before it began."""
        self._decided(number)
        del self._flows[flow]
        self._gate.end(flow.admitted)

    def _report_denied(self, resident: Resident, denied: Denied, port: int) -> None:
        self._report(
            EgressAttempt(
                number=next(self._numbers),
                pod=resident.pod,
                service=resident.service,
                target=denied.target,
                port=port,
                decision=Decision.DENIED,
                reason=denied.reason,
            )
        )
