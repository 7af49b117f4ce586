"""All that podnet asks of Ray.

Owns the connection to a cluster, the two kinds of actors and the calls to them. No logic: a keeper
and a supervisor are plain classes of `cluster/`, wrapped here. No byte of a pod's passes through.

Parts of images go from one machine to others through the object store, as plain bytes and a piece
at a time: a call's result is put there by the machine that gives it, once, and those that take it
are handed its name. It is freed when the last of them has it.

Actors are detached, so that pods outlive the orchestrator; the next one finds them by their names.
They ask for no processors, since it is podnet that says how many pods a machine takes.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ray
import ray._private.worker as ray_worker
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    RayError,
    RayTaskError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.backends.processes import has_ended
from orchestrator.backends.ray.environment import AUTH_MODE
from orchestrator.backends.ray.errors import ClusterLostError, NoClusterError, WorkerFailedError
from orchestrator.backends.ray.ports import port_numbers, ray_ports
from orchestrator.cluster.facts import machine_facts
from orchestrator.cluster.keeper import Keeper
from orchestrator.cluster.supervisor import Supervisor
from orchestrator.errors import OrchestratorError
from pod_node.errors import PodNodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.values import MachineFacts, NodeEnd, NodeOrder, NodeReady
    from pod_node.images import Offer, Part, Stock

NAMESPACE = "podnet"
STORE_BYTES = 128 << 20
"""Object store of a cluster that podnet starts for itself; only images pass through it."""
FACTS_S = 60.0
"""How long a machine may take to start a worker: the first one imports everything."""
STRANDED_S = 60.0
"""How long Ray lets a worker go on whose machine is cut off from the cluster's own service
(`gcs_rpc_server_reconnect_timeout_s`)."""
RETRY_S = 0.2
"""Between two attempts of a supervisor to get a lease from a keeper that does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A node of the Ray cluster."""

    id: str
    address: str
    hostname: str
    cpus: float
    memory_bytes: int
    labels: Mapping[str, str]
    ports: tuple[int, ...] = ()
    """On which Ray listens there, as far as the cluster knows."""


class _KeeperActor(Keeper):
    """Runs where the orchestrator was first started."""

    async def process(self) -> tuple[str, int]:
        return _process()


class _SupervisorActor:
    """Runs on one machine."""

    def __init__(self, keeper: Any, key: str) -> None:  # noqa: ANN401 - Ray's handles have no type
        self._supervisor = Supervisor()
        self._keeper: Any = keeper
        self._key = key
        self._own_keeper: Keeper | None = None

    async def facts(self) -> MachineFacts:
        return await asyncio.to_thread(self._facts)

    def _facts(self) -> MachineFacts:
        return replace(self._supervisor.facts(), ports=ray_ports(_session()))

    async def keep(self, lease_s: float) -> tuple[str, int]:
        self._own_keeper = self._own_keeper or Keeper(lease_s)
        return _process()

    async def renew(self, key: str) -> float | None:
        assert self._own_keeper is not None, "it was asked to keep leases"
        return await self._own_keeper.renew(key)

    async def revoke(self, key: str) -> float:
        assert self._own_keeper is not None, "it was asked to keep leases"
        return await self._own_keeper.revoke(key)

    async def expired(self) -> list[str]:
        assert self._own_keeper is not None, "it was asked to keep leases"
        return await self._own_keeper.expired()

    async def forget(self, key: str) -> None:
        assert self._own_keeper is not None, "it was asked to keep leases"
        await self._own_keeper.forget(key)

    async def meet(self, keeper: Any) -> None:  # noqa: ANN401 - Ray's handles have no type
        self._keeper = keeper

    async def start(self, order: NodeOrder) -> NodeReady | NodeEnd:
        return await self._supervisor.start(order, self._ask)

    async def ready(self) -> NodeReady | None:
        return self._supervisor.ready

    async def attend(self, lease_s: float) -> None:
        await self._supervisor.attend(self._ask, lease_s)

    async def wait(self) -> NodeEnd:
        return await self._supervisor.wait()

    async def stop(self) -> NodeEnd:
        return await self._supervisor.stop()

    async def kill(self) -> None:
        self._supervisor.kill()

    async def stock(self, image: str) -> Stock:
        return await asyncio.to_thread(self._supervisor.images.stock, image)

    async def offer(self, part: Part) -> Offer:
        return await asyncio.to_thread(self._supervisor.images.giver.offer, part)

    async def read(self, part: Part, offset: int) -> bytes:
        return await asyncio.to_thread(self._supervisor.images.giver.read, part, offset)

    async def close(self, part: Part) -> None:
        await asyncio.to_thread(self._supervisor.images.giver.close, part)

    async def begin(self, offer: Offer) -> bool:
        return await asyncio.to_thread(self._supervisor.images.taker.begin, offer)

    async def write(self, part: Part, offset: int, piece: bytes) -> None:
        await asyncio.to_thread(self._supervisor.images.taker.write, part, offset, piece)

    async def finish(self, part: Part) -> None:
        await asyncio.to_thread(self._supervisor.images.taker.finish, part)

    async def abandon(self, part: Part) -> None:
        await asyncio.to_thread(self._supervisor.images.taker.abandon, part)

    async def _ask(self) -> float | None:
        while True:
            try:
                length_s: float | None = await self._keeper.renew.remote(self._key)
            except RayError:
                # The orchestrator soon names another one; without any, the lease runs out.
                await asyncio.sleep(RETRY_S)
            else:
                return length_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A cluster that can be used."""

    address: str
    """Empty for one that ends with this process."""
    is_open: bool
    """Whether everybody who can reach it can give it orders."""
    gcs: str
    """Where its own service is, as an IP address and a port."""


def connect(address: str, cpus: int | None = None) -> Connected:
    """Connect to a cluster, or start one on this machine.

    Preconditions: `environment.prepare` found the address.

    Args:
        address: Of the cluster; empty starts one.
        cpus: Processors of a cluster that is started here.

    Raises:
        NoClusterError: there is none.
    """
    options: dict[str, Any] = {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "logging_level": "CRITICAL",
    }
    if address:
        options["address"] = address
    else:
        options |= {
            "num_cpus": cpus,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
        }
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError, RayError, OSError) as error:
        raise NoClusterError(address or "this machine", _reason(error)) from error
    # Ray's own words about machines that come and go; podnet has better ones.
    vars(ray_worker)["print_to_stdstream"] = _say_nothing
    return Connected(
        address=address,
        is_open=os.environ.get(AUTH_MODE) != "token",
        gcs=ray.get_runtime_context().gcs_address,
    )


def disconnect() -> None:
    """Leave the cluster; one that was started here ends."""
    ray.shutdown()


def machines() -> list[Machine]:
    """The machines of the cluster that are alive, by their ids."""
    try:
        found = ray.nodes()
    except (RayError, RuntimeError, ConnectionError) as error:
        raise ClusterLostError(_first_line(error)) from error
    return sorted(
        (
            Machine(
                id=node["NodeID"],
                address=node["NodeManagerAddress"],
                hostname=node["NodeManagerHostname"],
                cpus=float(node["Resources"].get("CPU", 0.0)),
                memory_bytes=int(node["Resources"].get("memory", 0)),
                labels={k: v for k, v in node["Labels"].items() if not k.startswith("ray.io/")},
                ports=port_numbers(node),
            )
            for node in found
            if node["Alive"]
        ),
        key=lambda machine: machine.id,
    )


class KeeperHandle:
    """The deployment's keeper.

    When it is lost, a supervisor keeps leases from then on: one that runs already, since a lease is
    over sooner than another process has been started. It knows nobody, so it grants leases to
    nobody but those who are told of it, and whoever was to have no more leases gets none.
    """

    def __init__(self, deployment: str, lease_s: float) -> None:
        """Find it, or make one."""
        self._deployment = deployment
        self._lease_s = lease_s
        self._own: Any = None
        self._process: tuple[str, int] | None = None
        self._lost: dict[str, float] = {}
        self.actor = self._own = self._find()

    @property
    def id(self) -> str:
        """Tells it from keepers before and after it."""
        return str(self.actor._actor_id.hex())

    @property
    def lost_s(self) -> float:
        """How long leases may last that somebody gets from it, now that it does not answer.

        Where it is known to have ended, it grants no more. Otherwise it may be cut off from here
        together with nodes, and goes on until Ray ends it.
        """
        if self._process is not None:
            machine, pid = self._process
            if machine == machine_facts().machine and has_ended(pid):
                return self._lease_s
        return STRANDED_S + self._lease_s

    def earlier_s(self, id: str) -> float:
        """The same for an earlier one, by its id."""
        return self._lost.get(id, STRANDED_S + self._lease_s)

    async def hand_over(self, supervisor: SupervisorHandle) -> None:
        """Have a supervisor keep leases from now on.

        Raises:
            WorkerFailedError: it does not answer.
        """
        process: tuple[str, int] = await _called(supervisor.actor.keep.remote(self._lease_s))
        self._lost[self.id] = self.lost_s
        self.actor, self._process = supervisor.actor, process
        await asyncio.to_thread(self.end)

    def replace(self) -> None:
        """Have another one, when there is no supervisor either.

        Raises:
            WorkerFailedError: there can be none now.
        """
        self._lost[self.id] = self.lost_s
        try:
            self.actor = self._own = self._find()
            self._process = None
        except (RayError, RuntimeError, ConnectionError, ValueError) as error:
            raise WorkerFailedError(_first_line(error)) from error

    def _find(self) -> Any:  # noqa: ANN401 - Ray's handles have no type
        return (
            ray.remote(_KeeperActor)
            .options(
                name=f"{self._deployment}/keeper",
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_restarts=0,
                scheduling_strategy=_here(),
            )
            .remote(self._lease_s)
        )

    async def revoke(self, key: str) -> float:
        """Grant a node no more leases; after how many seconds it has none."""
        return float(await _called(self.actor.revoke.remote(key)))

    async def expired(self) -> list[str]:
        """Nodes that have lost their lease since this was asked last."""
        if self._process is None:
            self._process = await _called(self.actor.process.remote())
        return list(await _called(self.actor.expired.remote()))

    async def forget(self, key: str) -> None:
        """Drop a node that is known to have ended."""
        await _called(self.actor.forget.remote(key))

    def end(self) -> None:
        """End the actor that does nothing else, if there is one; a supervisor ends by itself."""
        if self._own is not None:
            ray.kill(self._own)
            self._own = None


class SupervisorHandle:
    """One machine's supervisor for one life of a node."""

    def __init__(self, deployment: str, machine: Machine, keeper: KeeperHandle, key: str) -> None:
        """Find it, or make one."""
        self.actor = (
            ray.remote(_SupervisorActor)
            .options(
                name=f"{deployment}/{key}",
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_restarts=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(machine.id, soft=False),
            )
            .remote(keeper.actor, key)
        )

    async def facts(self) -> MachineFacts:
        """What the machine is."""
        try:
            async with asyncio.timeout(FACTS_S):
                facts: MachineFacts = await _called(self.actor.facts.remote())
        except TimeoutError as error:
            reason = f"its machine has not started it in {FACTS_S:.0f} s"
            raise WorkerFailedError(reason) from error
        return facts

    async def meet(self, keeper: KeeperHandle) -> None:
        """Have it get its leases from this keeper from now on."""
        await _called(self.actor.meet.remote(keeper.actor))

    async def ready(self) -> NodeReady | None:
        """The node that runs already."""
        ready: NodeReady | None = await _called(self.actor.ready.remote())
        return ready

    async def start(self, order: NodeOrder) -> NodeReady | NodeEnd:
        """Start the node, and keep its lease from then on."""
        result: NodeReady | NodeEnd = await _called(self.actor.start.remote(order))
        self.actor.attend.remote(order.lease_s)  # goes on by itself, whoever lives
        return result

    async def wait(self) -> NodeEnd:
        """Wait for the node's end."""
        end: NodeEnd = await _called(self.actor.wait.remote())
        return end

    async def stop(self) -> NodeEnd:
        """End the node in order."""
        end: NodeEnd = await _called(self.actor.stop.remote())
        return end

    async def stock(self, image: str) -> Stock:
        """Say what the machine has of an image, and what it lacks."""
        stock: Stock = await _called(self.actor.stock.remote(image))
        return stock

    async def offer(self, part: Part) -> Offer:
        """Open a part of an image for reading, until `close`."""
        offer: Offer = await _called(self.actor.offer.remote(part))
        return offer

    def read(self, part: Part, offset: int) -> object:
        """Have a piece put into the object store, where it is as long as somebody has its name."""
        return self.actor.read.remote(part, offset)

    async def close(self, part: Part) -> None:
        """Let go of a part."""
        await _called(self.actor.close.remote(part))

    async def begin(self, offer: Offer) -> bool:
        """Make ready for a part; whether it is wanted."""
        return bool(await _called(self.actor.begin.remote(offer)))

    async def write(self, part: Part, offset: int, piece: object) -> None:
        """Have the machine get a piece from the object store."""
        await _called(self.actor.write.remote(part, offset, piece))

    async def finish(self, part: Part) -> None:
        """Make sure of a part, and keep it."""
        await _called(self.actor.finish.remote(part))

    async def abandon(self, part: Part) -> None:
        """Throw away what has come of a part."""
        await _called(self.actor.abandon.remote(part))

    def end(self) -> None:
        """End the supervisor, and its node with it."""
        ray.kill(self.actor)


async def _called(call: Any) -> Any:  # noqa: ANN401 - Ray's references have no type
    """Wait for a call; what Ray has to say of a failed one becomes an error of ours."""
    try:
        return await call
    except (ActorDiedError, ActorUnavailableError, GetTimeoutError) as error:
        raise WorkerFailedError(_first_line(error)) from error
    except RayTaskError as error:
        if isinstance(error.cause, (OrchestratorError, PodNodeError)):
            raise error.cause from None  # what it meant to say
        raise WorkerFailedError(_last_line(error)) from error
    except RayError as error:
        raise WorkerFailedError(_last_line(error)) from error


def _process() -> tuple[str, int]:
    """Where this process is, and which one it is there."""
    return machine_facts().machine, os.getpid()


def _session() -> str:
    """What the cluster calls this life of its own."""
    return os.path.basename(str(ray_worker._global_node.get_session_dir_path()))


def _here() -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)


def _say_nothing(*_: object, **__: object) -> None:
    """Print nothing."""


def _reason(error: BaseException) -> str:
    """What Ray says of a failed connection, down to the cause."""
    causes = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(str(cause))
        cause = cause.__cause__
    if any("token" in text.lower() for text in causes):
        return "its token is another one, or it has none"
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
