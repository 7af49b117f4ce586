"""One machine of a Ray cluster: a node on it, as long as there is the machine.

Owns the lives of the node, one after the other: a supervisor and a node process, its joining the
fleet, its end, and the certainty that it has ended before the fleet hears of it. A machine that
does not answer is waited for until its node's last lease is over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from orchestrator.backends.ray.actors import KeeperHandle, Machine, SupervisorHandle
from orchestrator.backends.ray.errors import ClusterLostError, UnfitMachineError, WorkerFailedError
from orchestrator.backends.ray.naming import offer_of
from orchestrator.cluster.facts import machine_facts, unfit_reason
from orchestrator.cluster.member import Member, MemberSettings
from orchestrator.cluster.values import NodeEnd, NodeOrder
from orchestrator.codec import NodeClient, NodeLostError, NodeRefusedError
from orchestrator.codec.securing import NodeAddress
from orchestrator.errors import OrchestratorError
from orchestrator.lifecycle.restart import RestartTimer
from orchestrator.topology.values import RestartMode, RestartPolicy
from pod_node.images import sealing_key
from vnet.configuration import PortRange
from vnet.trunk import Certificates, TrunkSettings

if TYPE_CHECKING:
    from orchestrator.cluster.certificates import Credentials
    from orchestrator.cluster.fleet import Fleet
    from orchestrator.cluster.values import MachineFacts, NodeReady

ANSWER_S = 1.0
"""How long a supervisor may take to take note of another keeper, while leases run out."""
CERTAIN_S = 0.2
"""Added to the end of a lease: what a process takes to end that has decided to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the nodes of one deployment have in common."""

    deployment: str
    lease_s: float
    token: bytes
    credentials: Credentials
    keeper: KeeperHandle
    found_keeper: str
    """The keeper of lives that were found."""
    fleet: Fleet
    notice: Callable[[str], None]
    volumes: Callable[[], tuple[str, ...]]
    """Folders of the plan that nodes need."""
    keys: dict[str, str]
    """The key of each node's present life, by the id of its machine."""
    keep_keys: Callable[[], None]
    """Writes them down."""


class Tended:
    """A machine and its node."""

    def __init__(self, machine: Machine, name: str, around: Surroundings) -> None:
        self.machine = machine
        self.name = name
        self._around = around
        self._lost: asyncio.Event = asyncio.Event()
        self._supervisor: SupervisorHandle | None = None
        self.key = ""
        """Of the present life."""
        self._is_member = False
        self._is_ending = False
        self._keeper = ""
        """Which keeper the present life gets its leases from."""
        self.failure: OrchestratorError | None = None
        """Why there is no node."""

    def lose_lease(self) -> None:
        """Take note that the node's lease is over: nobody has renewed it in time."""
        self._lost.set()

    @property
    def is_settled(self) -> bool:
        """Whether there is a node now, or it is known why there is none."""
        return self._is_member or self.failure is not None

    @property
    def is_busy(self) -> bool:
        """Whether there is a life that has not ended for certain."""
        return self._supervisor is not None

    async def run(self, is_alive: Callable[[Machine], bool]) -> None:
        """Have a node on the machine until the machine is gone or cannot have one.

        When this is cancelled, the node goes on.

        Args:
            is_alive: Says whether there is the machine.
        """
        back_off = RestartTimer(RestartPolicy(RestartMode.ALWAYS))
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._live()
                self._is_member = False
            except UnfitMachineError as unfit:
                self.failure = unfit
                self._around.notice(str(unfit))
                return
            except (WorkerFailedError, NodeRefusedError, NodeLostError) as failed:
                self.failure = failed
                was_member, self._is_member = self._is_member, False
                if not was_member and is_alive(self.machine):
                    self._around.notice(f"node {self.name}: {failed}")
            if not is_alive(self.machine):
                return
            await asyncio.sleep(back_off.delay_s(1, loop.time() - began) or 0.0)

    async def keep_leases(self) -> bool:
        """Have the node's supervisor keep the leases of all; whether it does."""
        if self._supervisor is None or self._is_ending or not self._is_member:
            return False
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._around.keeper.hand_over(self._supervisor)
        except (WorkerFailedError, TimeoutError):
            return False
        return True

    async def meet_keeper(self) -> None:
        """Have the node get its leases from the keeper that there is now."""
        if self._supervisor is not None and not self._is_ending:
            with suppress(WorkerFailedError, TimeoutError):  # then it is on its way out
                async with asyncio.timeout(ANSWER_S):
                    await self._meet(self._supervisor)

    async def _meet(self, supervisor: SupervisorHandle) -> None:
        keeper = self._around.keeper
        id = keeper.id
        await supervisor.meet(keeper)
        self._keeper = id

    def kill(self) -> None:
        """End the node at once."""
        if self._supervisor is not None:
            self._supervisor.end()

    async def _live(self) -> None:
        """Have one life of a node, from its start to its certain end."""
        around, machine = self._around, self.machine
        self._keeper = around.found_keeper if machine.id in around.keys else around.keeper.id
        self.key = around.keys.get(machine.id) or f"{self.name}/{secrets.token_hex(4)}"
        around.keys[machine.id] = self.key
        around.keep_keys()
        self._lost.clear()
        self._is_ending = False
        supervisor = self._supervisor = await asyncio.to_thread(
            SupervisorHandle, around.deployment, machine, around.keeper, self.key
        )
        end: NodeEnd | None = None
        failure: OrchestratorError | None = None
        try:
            end = await self._serve(supervisor)
        except (WorkerFailedError, NodeRefusedError, NodeLostError, UnfitMachineError) as error:
            failure = error
        self._is_ending = True
        reason = await self._make_certain(end)
        await around.fleet.leave(self.name, reason)
        around.keys.pop(machine.id, None)
        self._supervisor = None
        await asyncio.to_thread(supervisor.end)
        if failure is not None:
            raise failure

    async def _serve(self, supervisor: SupervisorHandle) -> NodeEnd | None:
        """Have a node in the fleet until it ends; None when it cannot be reached any more."""
        around = self._around
        facts = await supervisor.facts()
        _check_fit(self.machine, facts)
        await self._meet(supervisor)  # one that was found may know another
        ready = await supervisor.ready() or await supervisor.start(self._order())
        if isinstance(ready, NodeEnd):
            around.notice(f"node {self.name} did not start: {ready.summary}")
            return ready
        address = NodeAddress(
            target=ready.address, name=self.name, credentials=around.credentials.client
        )
        async with NodeClient(address) as client:
            member = Member(self._settings(ready, facts), client, supervisor)
            try:
                await around.fleet.join(member)
                self.failure = None
                self._is_member = True
                return await self._wait_end(supervisor, member)
            finally:
                member.leave("it has ended")  # before its channel is closed

    async def _wait_end(self, supervisor: SupervisorHandle, member: Member) -> NodeEnd | None:
        """Wait until the node ends; None when it cannot be reached any more."""
        waits = {
            asyncio.ensure_future(supervisor.wait()),  # noqa: TID251 - waited for right here
            asyncio.ensure_future(self._lost.wait()),  # noqa: TID251
            asyncio.ensure_future(member.condemned()),  # noqa: TID251
        }
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            results = [wait.result() for wait in done]
        except WorkerFailedError:
            return None
        finally:
            for wait in waits:
                wait.cancel()
        return next((result for result in results if isinstance(result, NodeEnd)), None)

    async def _make_certain(self, end: NodeEnd | None) -> str:
        """Return once no pod of this life can run any more; say what is known."""
        keeper = self._around.keeper
        try:
            if end is not None:
                await keeper.forget(self.key)
                return end.summary
            await asyncio.to_thread(self.kill)
            lease_s = await keeper.revoke(self.key)
            if self._keeper != keeper.id:  # it may still know an earlier one, which cannot be told
                lease_s = max(lease_s, keeper.earlier_s(self._keeper))
        except (WorkerFailedError, ClusterLostError):
            lease_s = keeper.lost_s
        await asyncio.sleep(lease_s + CERTAIN_S)
        return "it could not be reached any more"

    def _order(self) -> NodeOrder:
        around = self._around
        credentials, _ = around.credentials.node(self.name)
        return NodeOrder(
            deployment=around.deployment,
            node=self.name,
            host=self.machine.address,
            credentials=credentials,
            lease_s=around.lease_s,
            sealing_key=sealing_key(around.token),
            volumes=around.volumes(),
        )

    def _settings(self, ready: NodeReady, facts: MachineFacts) -> MemberSettings:
        around, machine = self._around, self.machine
        own, authority = around.credentials.node(self.name)
        control = int(ready.address.rpartition(":")[2])
        return MemberSettings(
            offer=replace(
                offer_of(machine),
                name=self.name,
                pods_most=facts.pods_most,
                system=facts.system,
                architecture=facts.architecture,
            ),
            trunk=TrunkSettings(
                deployment=around.deployment,
                node=self.name,
                listen=f"{machine.address}:0",
                token=around.token,
                certificates=Certificates(
                    certificate=own.certificate, key=own.key, authorities=authority
                ),
            ),
            is_here=facts.machine == machine_facts().machine,
            pid=ready.pid,
            machine=facts.machine,
            addresses=_addresses(machine, facts),
            ports=(*_ranges(facts.ports), *_ranges([(control, control)])),
        )


def _addresses(machine: Machine, facts: MachineFacts) -> tuple[IPv4Address | IPv6Address, ...]:
    """All addresses of a machine, as the cluster knows it and as it knows itself."""
    return tuple(map(ip_address, sorted({machine.address, *facts.addresses})))


def _ranges(ports: Iterable[tuple[int, int]]) -> tuple[PortRange, ...]:
    return tuple(PortRange(first=first, last=last) for first, last in ports)


def _check_fit(machine: Machine, facts: MachineFacts) -> None:
    """Make sure that a machine can run pods of this orchestrator.

    Raises:
        UnfitMachineError: it cannot.
    """
    reason = unfit_reason(facts, machine_facts())
    if reason:
        raise UnfitMachineError(f"{machine.hostname} ({machine.address})", reason)
