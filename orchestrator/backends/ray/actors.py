"""All that podnet asks of Ray.

Owns the connection to a cluster, the two kinds of actors and the calls to them. No logic: a keeper
and a supervisor are plain classes of `cluster/`, wrapped here. No byte of a pod's passes through.

Actors are detached, so that pods outlive the orchestrator; the next one finds them by their names.
They ask for no processors, since it is podnet that says how many pods a machine takes.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
import ray._private.worker as ray_worker
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.backends.ray.environment import AUTH_MODE
from orchestrator.backends.ray.errors import ClusterLostError, NoClusterError, WorkerFailedError
from orchestrator.cluster.keeper import Keeper
from orchestrator.cluster.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.values import MachineFacts, NodeEnd, NodeOrder, NodeReady

NAMESPACE = "podnet"
STORE_BYTES = 128 << 20
"""Object store of a cluster that podnet starts for itself; only images pass through it."""
FACTS_S = 60.0
"""How long a machine may take to start a worker: the first one imports everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A node of the Ray cluster."""

    id: str
    address: str
    hostname: str
    cpus: float
    memory_bytes: int
    labels: Mapping[str, str]


class _KeeperActor(Keeper):
    """Runs where the orchestrator was first started."""


class _SupervisorActor:
    """Runs on one machine."""

    def __init__(self, keeper: Any, key: str) -> None:  # noqa: ANN401 - Ray's handles have no type
        self._supervisor = Supervisor()
        self._keeper: Any = keeper
        self._key = key

    async def facts(self) -> MachineFacts:
        return await asyncio.to_thread(self._supervisor.facts)

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

    async def _ask(self) -> float | None:
        length_s: float | None = await self._keeper.renew.remote(self._key)
        return length_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A cluster that can be used."""

    address: str
    """Empty for one that ends with this process."""
    is_open: bool
    """Whether everybody who can reach it can give it orders."""


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
    return Connected(address=address, is_open=os.environ.get(AUTH_MODE) != "token")


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
            )
            for node in found
            if node["Alive"]
        ),
        key=lambda machine: machine.id,
    )


class KeeperHandle:
    """The deployment's keeper."""

    def __init__(self, deployment: str, lease_s: float) -> None:
        """Find it, or make one."""
        self.actor = (
            ray.remote(_KeeperActor)
            .options(
                name=f"{deployment}/keeper",
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_restarts=0,
                scheduling_strategy=_here(),
            )
            .remote(lease_s)
        )

    async def revoke(self, key: str) -> float:
        """Grant a node no more leases; after how many seconds it has none."""
        return float(await _called(self.actor.revoke.remote(key)))

    async def expired(self) -> list[str]:
        """Nodes that have lost their lease since this was asked last."""
        return list(await _called(self.actor.expired.remote()))

    async def forget(self, key: str) -> None:
        """Drop a node that is known to have ended."""
        await _called(self.actor.forget.remote(key))

    def end(self) -> None:
        """End it; all leases end soon after."""
        ray.kill(self.actor)


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
        async with asyncio.timeout(FACTS_S):
            facts: MachineFacts = await _called(self.actor.facts.remote())
        return facts

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

    def end(self) -> None:
        """End the supervisor, and its node with it."""
        ray.kill(self.actor)


async def _called(call: Any) -> Any:  # noqa: ANN401 - Ray's references have no type
    """Wait for a call; what Ray has to say of a failed one becomes an error of ours."""
    try:
        return await call
    except (ActorDiedError, ActorUnavailableError, GetTimeoutError) as error:
        raise WorkerFailedError(_first_line(error)) from error
    except RayError as error:
        raise WorkerFailedError(_last_line(error)) from error


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
