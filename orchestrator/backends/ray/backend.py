"""The nodes of a deployment on a Ray cluster, as the orchestrator sees them.

Owns the connection to the cluster, the look at its machines once in a while, and one `Tended` for
each of them. Machines that come get a node; those that go take theirs with them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.backends.backend import NodeDiedError
from orchestrator.backends.ray import actors
from orchestrator.backends.ray.errors import (
    ClusterLostError,
    NoClusterError,
    NoMachineError,
    WorkerFailedError,
)
from orchestrator.backends.ray.guards import guards_of
from orchestrator.backends.ray.naming import node_name
from orchestrator.backends.ray.record import (
    ClusterRecord,
    forget_record,
    keep_record,
    read_record,
)
from orchestrator.backends.ray.tending import Surroundings, Tended
from orchestrator.cluster.certificates import open_credentials, open_token
from orchestrator.cluster.fleet import Fleet
from orchestrator.cluster.traffic_record import keep_traffic, read_traffic
from orchestrator.codec import NodeLostError, NodeRefusedError
from orchestrator.store.state import StateFolderError
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from orchestrator.cluster.views import NodeState, NodeView
    from orchestrator.desired.plan import Plan
    from orchestrator.store.state import DeploymentFolder
    from vnet.configuration import GuardedPorts

PATIENCE_S = 10.0
"""How long the cluster may leave questions unanswered before it counts as lost."""
JOIN_S = 60.0
"""How long the other machines of a cluster are waited for once there is a node."""
STOP_S = 5.0
"""How long a node may take to end in order."""
LEASE_S = 5.0
"""How long a node may be silent before it is taken for lost, and has ended by itself."""
LOOK_S = 0.5
"""Between two looks at leases; also how late a loss is noticed."""
MEASURE_S = 10.0
"""Between two readings of what services say to each other."""
MACHINES_EVERY = 2
"""Looks at leases for one at the cluster's machines."""
OPEN = (
    "the Ray cluster takes orders from everybody who can reach its ports, and they are run on its "
    "machines as they are; start Ray with RAY_AUTH_MODE=token"
)


class RayBackend:
    """Runs the pods of a deployment on the machines of a Ray cluster."""

    def __init__(
        self,
        folder: DeploymentFolder,
        notice: Callable[[str], None],
        *,
        address: str,
        cpus: int | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        """Prepare.

        Args:
            folder: The deployment's folder.
            notice: Takes lines for whoever watches.
            address: Of the cluster, as `environment.prepare` found it; empty is a new one, which
                ends with this process.
            cpus: Processors of a new one.
            lease_s: How long a node may be silent.
        """
        self._folder = folder
        self._notice = notice
        self._cpus = cpus
        self._record = read_record(folder.path) or ClusterRecord(address, lease_s)
        if self._record.address != address:
            self._record = ClusterRecord(address, lease_s)
        self._fleet: Fleet | None = None
        self._keeper: actors.KeeperHandle | None = None
        self._tasks = TaskOwner()
        self._tended: dict[str, Tended] = {}
        self._volumes: tuple[str, ...] = ()
        self._marks: dict[str, NodeState] = {}
        """Of nodes that take no more pods, which outlive connections."""
        self._plan: Plan | None = None
        self._is_connected = False
        self._gcs = ""
        self._guards: tuple[GuardedPorts, ...] = ()
        self._alive: frozenset[str] = frozenset()
        self._reason = "the Ray cluster does not answer"

    @property
    def pid(self) -> int:
        """No process is the only one."""
        return 0

    @property
    def fleet(self) -> Fleet:
        """The nodes.

        Raises:
            ClusterLostError: there is no connection.
        """
        if self._fleet is None:
            raise ClusterLostError("there is no connection to it")
        return self._fleet

    def owner(self, pod: str) -> str:
        """The name of a pod's node."""
        return "" if self._fleet is None else self._fleet.assignments.owners.get(pod, "")

    def nodes(self) -> list[NodeView]:
        """The nodes."""
        return [] if self._fleet is None else self._fleet.nodes()

    def cordon(self, name: str, *, cordoned: bool) -> None:
        """Have a node take no more pods, or take them again."""
        self.fleet.cordon(name, cordoned=cordoned)

    def mark(self, marks: Mapping[str, NodeState]) -> None:
        """Have nodes be what they were before another orchestrator ended, once they are there."""
        self._marks |= marks

    def drain(self, name: str) -> AsyncGenerator[tuple[str, str], None]:
        """Move all pods of a node elsewhere; name each that has left, and its new node."""
        return self.fleet.drain(name)

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Fleet, None]:
        """Connect to the cluster and have a node on each of its machines.

        Raises:
            NoClusterError: there is no cluster.
            NoMachineError: no machine can have a node.
        """
        await asyncio.to_thread(self._enter)
        fleet = Fleet(self._folder.name, self._notice)
        fleet.mark(self._marks)
        self._fleet = fleet
        try:
            if self._plan is not None:
                await fleet.arrange(self._plan)
            around = self._surroundings(fleet)
            looking = self._tasks.spawn(self._look(around), "machines")
            await self._wait_joined(fleet, looking)
            self._tasks.spawn(self._measure(fleet), "traffic")
            yield fleet
        finally:
            await self._tasks.cancel_all()
            await fleet.close()
            self._marks = dict(fleet.marks)
            self._tended.clear()
            self._fleet = None

    async def arrange(self, plan: Plan) -> None:
        """Decide where the pods of a plan run."""
        self._plan = plan
        self._volumes = tuple(str(volume.folder) for volume in plan.volumes)
        if self._fleet is not None:
            await self._fleet.arrange(plan)

    async def death(self) -> NodeDiedError:
        """Say that the cluster is lost; nodes that are lost are replaced without this."""
        return NodeDiedError(self._reason, str(self._folder.path), ())

    async def end(self) -> None:
        """End all nodes and their pods in order, soon, and by force when that takes too long."""
        await self._tasks.cancel_all()
        try:
            await asyncio.to_thread(self._enter)
            machines = {machine.id: machine for machine in await asyncio.to_thread(actors.machines)}
            handles = [
                self._supervisor(machines[machine], key)
                for machine, key in self._record.nodes.items()
                if machine in machines
            ]
            await asyncio.gather(*(_stop(handle) for handle in handles))
            if self._keeper is not None:
                self._keeper.end()
        except (NoClusterError, ClusterLostError) as error:
            self._notice(f"{error}; nodes that still run end by themselves")
        finally:
            self._keeper = None
            self._is_connected = False
            await asyncio.to_thread(actors.disconnect)
            await asyncio.to_thread(forget_record, self._folder.path)

    def kill(self) -> None:
        """End all nodes at once."""
        for tended in self._tended.values():
            tended.kill()

    # --- within ---

    def _enter(self) -> None:
        """Connect to the cluster, once, and find or make the keeper."""
        if not self._is_connected:
            found = actors.connect(self._record.address, self._cpus)
            self._is_connected = True
            self._gcs = found.gcs
            if found.is_open:
                self._notice(OPEN)
        if self._keeper is None:
            self._keeper = actors.KeeperHandle(self._folder.name, self._record.lease_s)

    def _supervisor(self, machine: actors.Machine, key: str) -> actors.SupervisorHandle:
        assert self._keeper is not None, "there is a connection"
        return actors.SupervisorHandle(self._folder.name, machine, self._keeper, key)

    def _surroundings(self, fleet: Fleet) -> Surroundings:
        assert self._keeper is not None, "there is a connection"
        folder = self._folder.path / "credentials"
        try:
            credentials = open_credentials(self._folder.name, folder, datetime.now(UTC))
            token = open_token(folder)
        except OSError as error:
            raise StateFolderError(str(folder), error.strerror or str(error)) from error
        return Surroundings(
            deployment=self._folder.name,
            lease_s=self._record.lease_s,
            token=token,
            credentials=credentials,
            keeper=self._keeper,
            found_keeper=self._record.keeper,
            fleet=fleet,
            notice=self._notice,
            volumes=lambda: self._volumes,
            keys=self._record.nodes,
            keep_keys=self._keep,
        )

    def _keep(self) -> None:
        """Write down where the nodes are, unless they end with this process."""
        if self._keeper is not None:
            self._record.keeper = self._keeper.id
        if self._record.address:
            keep_record(self._folder.path, self._record)

    async def _wait_joined(self, fleet: Fleet, looking: asyncio.Task[None]) -> None:
        """Wait until every machine has a node or cannot have one, and one at least has."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + JOIN_S
        while True:
            if looking.done():
                looking.result()
            await asyncio.sleep(LOOK_S / 4)
            tended = [*self._tended.values()]
            settled = bool(tended) and all(each.is_settled for each in tended)
            if fleet.members and (settled or loop.time() > give_up_at):
                return
            failures = [each.failure for each in tended if each.failure is not None]
            if settled or loop.time() > give_up_at + JOIN_S:
                reason = str(failures[0]) if failures else "it has no machine with processors"
                raise NoMachineError(self._record.address or "this machine", reason)

    async def _look(self, around: Surroundings) -> None:
        """Look at machines and leases, again and again; fail when that has failed for long."""
        loop = asyncio.get_running_loop()
        turn, well_at = 0, loop.time()
        while True:
            try:
                if turn % MACHINES_EVERY == 0:
                    machines = await asyncio.to_thread(actors.machines)
                    self._tend(machines, around)
                    self._guard(machines, around)
                turn += 1
                self._lose(await self._expired(around))
                well_at = loop.time()
            except (ClusterLostError, WorkerFailedError) as error:
                self._reason = str(error)
                if loop.time() > well_at + PATIENCE_S:
                    break
            await asyncio.sleep(LOOK_S)
        self._keeper = None  # it may have been on a machine that is lost; there can be another
        await around.fleet.fail(NodeLostError(self._reason))

    async def _measure(self, fleet: Fleet) -> None:
        """Read what services say to each other, again and again, and keep it."""
        measured = await asyncio.to_thread(read_traffic, self._folder.path)
        fleet.assignments.measured = measured.telling
        while True:
            await asyncio.sleep(MEASURE_S)
            with suppress(NodeLostError, NodeRefusedError, OSError):  # told elsewhere, or no harm
                await fleet.measure(measured, time.time())
                await asyncio.to_thread(keep_traffic, self._folder.path, measured)

    async def _expired(self, around: Surroundings) -> list[str]:
        """The nodes that have lost their lease; when there is no keeper, have another one."""
        try:
            return await around.keeper.expired()
        except WorkerFailedError:
            await self._replace_keeper(around.keeper)
            return await around.keeper.expired()

    async def _replace_keeper(self, keeper: actors.KeeperHandle) -> None:
        """Have another keeper, and all nodes get their leases from that one.

        Raises:
            WorkerFailedError: there can be none now.
        """
        tended = [*self._tended.values()]
        for each in tended:
            if await each.keep_leases():
                break
        else:
            await asyncio.to_thread(keeper.replace)
        await asyncio.gather(*(each.meet_keeper() for each in tended))
        self._keep()

    def _guard(self, machines: list[actors.Machine], around: Surroundings) -> None:
        """Keep what runs on machines without a node from all pods.

        Not waited for: a node that does not answer is found out by whoever calls this.
        """
        without = [each for each in machines if each.id not in self._tended]
        guards = guards_of(without, self._gcs)
        if guards != self._guards:
            self._guards = guards
            self._tasks.spawn(around.fleet.guard(guards), "guards")

    def _lose(self, keys: list[str]) -> None:
        """Take note of leases that are over."""
        for tended in self._tended.values():
            if tended.key in keys:
                tended.lose_lease()

    def _is_alive(self, machine: actors.Machine) -> bool:
        return machine.id in self._alive

    def _tend(self, machines: list[actors.Machine], around: Surroundings) -> None:
        """Have a node on each machine that has processors; none on those that are gone."""
        alive = {machine.id: machine for machine in machines if machine.cpus > 0}
        for id, machine in alive.items():
            if id not in self._tended:
                tended = Tended(machine, node_name(machine), around)
                self._tended[id] = tended
                self._tasks.spawn(tended.run(self._is_alive), f"node on {id}")
        self._alive = frozenset(alive)
        self._tended = {
            id: tended for id, tended in self._tended.items() if id in alive or tended.is_busy
        }


async def _stop(supervisor: actors.SupervisorHandle) -> None:
    try:
        async with asyncio.timeout(STOP_S):
            await supervisor.stop()
    except (WorkerFailedError, TimeoutError):
        pass  # its lease ends soon, and with it the node
    supervisor.end()
