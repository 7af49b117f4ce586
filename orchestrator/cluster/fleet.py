"""All nodes of a deployment behind the calls of one.

Owns what every node has to have alike (networks, configuration, names, who is where), brings a node
that joins up to it, and gives the pods of a node that is lost to others. What concerns one pod goes
to its node. Whether a node is lost is found out elsewhere, and told by `leave`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from orchestrator.backends.backend import UnknownNodeError
from orchestrator.backends.nodes import PodsDisplaced
from orchestrator.cluster.assignments import Assignments
from orchestrator.cluster.distribution import Distribution
from orchestrator.cluster.guarding import guarded_by
from orchestrator.cluster.peers import Whereabouts, peers_of_all, whereabouts
from orchestrator.cluster.portals import FleetPortals
from orchestrator.cluster.streams import Streams
from orchestrator.cluster.views import NodeState, NodeView
from orchestrator.codec import NodeLostError, NodeRefusedError
from pod_node.status import PodState, PodStatus
from pod_node.usage import NodeUsage, ProcessUsage
from vnet.capture import InterfacePlace
from vnet.configuration import NetworkConfiguration
from vnet.totals import total

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network

    from orchestrator.cluster.member import Member
    from orchestrator.codec import NodeClient
    from orchestrator.desired.plan import Plan
    from orchestrator.errors import OrchestratorError
    from orchestrator.placement import MeasuredTraffic, NodeOffer
    from pod_node.attaching import AttachEvent, AttachStep
    from pod_node.dialling import Connection
    from pod_node.executing import ExecEvent, ExecOrder, ExecStep
    from pod_node.files import Copied
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.spec import PodSpec
    from pod_node.status import NodeEvent, OpenPortal, PortalBackend
    from vnet.capture import CaptureBatch, CaptureWish
    from vnet.configuration import GuardedPorts
    from vnet.ping import NumberedEcho, PingPlan
    from vnet.statistics import NetworkStatistics
    from vnet.trunk import PeerSpec

PATIENCE_S = 15.0
"""How long a call waits for a node that does not answer to be found lost; then it has failed."""
RETURN_S = 60.0
"""How long a boot waits for a node where all are lost."""
MOVE_S = 30.0
"""How long a drain waits for a pod to be ready on its new node before it moves the next one."""
CLOCK_TICK_S = 1e-6
"""What tells two lines' times apart."""
_T = TypeVar("_T")


class NoNodeError(NodeRefusedError):
    """A pod has no node, or a node that is asked for does not exist."""


class Fleet:
    """The nodes of one deployment, as `backends.nodes.Nodes` has it."""

    def __init__(self, deployment: str, notice: Callable[[str], None] = lambda text: None) -> None:
        """Begin without a node.

        Args:
            deployment: Its name.
            notice: Takes lines for whoever watches.
        """
        self._marks: dict[str, NodeState] = {}
        """Nodes that are to take no more pods, whether they are there or not."""
        self._members: dict[str, Member] = {}
        self.assignments = Assignments(deployment)
        self._specs: dict[str, PodSpec] = {}
        self._grace_s: dict[str, float] = {}
        self._networks: dict[str, IPv4Network] = {}
        self._configuration: NetworkConfiguration | None = None
        self._guarded: tuple[GuardedPorts, ...] = ()
        self._names: dict[str, Mapping[str, Sequence[IPv4Address]]] = {}
        self._turn = asyncio.Lock()
        """What all nodes have is changed by one after the other."""
        self._told: Whereabouts | None = None
        """What members were told last."""
        self._portals = FleetPortals()
        self._streams = Streams(self._owner_name, self._is_checked)
        self._distribution = Distribution(self._streams.prepare, notice)
        self._joined = asyncio.Event()

    # --- nodes ---

    @property
    def members(self) -> list[Member]:
        """The nodes that belong to it."""
        return list(self._members.values())

    async def fail(self, error: OrchestratorError) -> None:
        """Have all who watch know that all nodes are lost."""
        await self._streams.fail(error)

    async def close(self) -> None:
        """End all streams; the nodes go on."""
        for member in self.members:
            member.leave("the orchestrator has let go of it")
        await self._streams.close()

    def nodes(self) -> list[NodeView]:
        """Say what the nodes are and have."""
        return [
            NodeView(
                name=offer.name,
                state=_state(offer.cordoned, offer.draining),
                pods=len(self.assignments.pods_of(offer.name)),
                pods_most=offer.pods_most,
                hostname=offer.hostname,
                cpus=offer.cpus,
                memory_bytes=offer.memory_bytes,
                labels=offer.labels,
                process_id=self._members[offer.name].settings.pid,
            )
            for offer in self.assignments.offers
        ]

    async def join(self, member: Member) -> None:
        """Have one more node.

        Raises:
            NodeLostError: it is gone already.
            NodeRefusedError: it cannot be what the others are.
        """
        async with self._turn:
            await self._bring_up(member)
            existing = await member.call(member.client.list_pods())
            self._members[member.name] = member
            waiting = self.assignments.join(self._marked(member.settings.offer))
            for status in existing:
                await self._adopt(member, status)
            await self._tell_peers()
            await self._configure_all()
            await self._portals.settle(self.members)
            await self._streams.join(member)
            self._joined.set()
        if waiting:
            await self._streams.tell(
                PodsDisplaced(tuple(waiting), f"node {member.name} has joined")
            )

    async def leave(self, name: str, reason: str) -> None:
        """Have a node no more: none of its pods runs, for certain."""
        member = self._members.get(name)
        if member is None:
            return
        member.leave(reason)
        async with self._turn:
            del self._members[name]
            if not self._members:
                self._joined.clear()
            self._streams.leave(member)
            pods = self.assignments.leave(name)
            self._portals.leave(member)
            await self._portals.settle(self.members)
            await self._tell_peers()
            await self._configure_all()
        await self._streams.tell(PodsDisplaced(tuple(pods), f"node {name} lost: {reason}"))

    @property
    def marks(self) -> Mapping[str, NodeState]:
        """The nodes that are to take no more pods, whether they are there or not."""
        return self._marks

    def mark(self, marks: Mapping[str, NodeState]) -> None:
        """Have nodes take no more pods from when they join on."""
        self._marks |= marks

    def cordon(self, name: str, *, cordoned: bool) -> None:
        """Have a node take no more pods, or take them again.

        Raises:
            UnknownNodeError: there is no such node.
        """
        if name not in self._marks:
            self._member(name)
        if cordoned:
            self._marks[name] = NodeState.CORDONED
        else:
            self._marks.pop(name, None)
        if name in self._members:
            self.assignments.change(name, cordoned=cordoned, draining=False)

    async def drain(self, name: str) -> AsyncGenerator[tuple[str, str], None]:
        """Move all pods of a node elsewhere, one after the other.

        Yields:
            Each pod that has left, with its new node.

        Raises:
            UnknownNodeError: there is no such node.
            NoNodeError: there is no room elsewhere.
        """
        member = self._member(name)
        self._marks[name] = NodeState.DRAINED
        self.assignments.change(name, cordoned=True, draining=True)
        for pod in self.assignments.pods_of(name):
            if not self.assignments.has_room_elsewhere(pod):
                raise NoNodeError(f"{pod} stays on {name}: {self.assignments.obstacle(pod)}")
            with self._streams.expecting(pod) as ready:
                target = await self._move(member, pod)
                with suppress(TimeoutError):
                    async with asyncio.timeout(MOVE_S):
                        await ready.wait()
            yield pod, target

    async def _move(self, member: Member, pod: str) -> str:
        """End a pod on its node and have it booted on another; which one."""
        with self._streams.ignoring(pod):  # its end is no end that a restart policy is about
            with suppress(NodeLostError, NodeRefusedError):  # it was not there, or is lost
                grace_s = self._grace_s.get(pod, 0.0)
                await member.call(member.client.stop_pod(pod, grace_s))
                await member.call(member.client.remove_pod(pod))
            async with self._turn:
                target = self.assignments.move(pod) or member.name
                await self._tell_peers()
        await self._streams.tell(PodsDisplaced((pod,), f"node {member.name} is drained"))
        return target

    # --- a plan ---

    async def arrange(self, plan: Plan) -> None:
        """Have the pods of a plan, each on its node."""
        async with self._turn:
            self.assignments.arrange(plan.placing)
            self._specs |= {pod.spec.name: pod.spec for pod in plan.pods}
            self._grace_s = {pod.spec.name: pod.grace_s for pod in plan.pods}
            await self._tell_peers()

    # --- what concerns all nodes ---

    async def attach_networks(self, networks: Iterable[tuple[str, IPv4Network]]) -> None:
        """Declare networks."""
        wanted = dict(networks)
        async with self._turn:
            await self._all(lambda client: client.attach_networks(wanted.items()))
            self._networks |= wanted
            await self._tell_peers()

    async def list_networks(self) -> dict[str, IPv4Network]:
        """List the networks that are declared."""
        return dict(self._networks)

    async def detach_networks(self, names: Iterable[str]) -> None:
        """Take networks away on which no pod is."""
        gone = [*names]
        async with self._turn:
            self._networks = {k: v for k, v in self._networks.items() if k not in gone}
            await self._tell_peers()
            await self._all(lambda client: client.detach_networks(gone))
            self._names = {k: v for k, v in self._names.items() if k not in gone}

    async def publish_names(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names of a network."""
        async with self._turn:
            await self._all(lambda client: client.publish_names(network, names))
            self._names[network] = names

    async def configure_network(self, configuration: NetworkConfiguration) -> None:
        """Replace links, routes, faults and policies."""
        async with self._turn:
            before, self._configuration = self._configuration, configuration
            try:
                await self._configure_all()
            except NodeRefusedError:
                self._configuration = before
                raise

    async def guard(self, ports: Iterable[GuardedPorts]) -> None:
        """Keep ports of machines that have no node from all pods."""
        self._guarded = tuple(ports)
        async with self._turn:
            await self._configure_all()

    async def statistics(self) -> NodeUsage:
        """Say what all nodes and their pods use together."""
        return _sum_usage(await self._ask(lambda client: client.statistics()))

    async def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the counters of all nodes as those of one network.

        Raises:
            NoNodeError: there is no node.
        """
        found = await self._ask(lambda client: client.network_statistics(flows=flows))
        if not found:
            raise NoNodeError("there is no node to ask")
        return total(found)

    async def measure(self, measured: MeasuredTraffic, now: float) -> None:
        """Read what services have exchanged, and have it count where pods get new places."""
        found = await self._ask(lambda client: client.network_statistics(flows=True))
        services = {
            interface.address: spec.service
            for spec in self._specs.values()
            for interface in spec.interfaces
        }
        if found:
            measured.note(total(found).traffic, services, now)
            self.assignments.measured = measured.telling

    async def list_pods(self) -> list[PodStatus]:
        """List every pod."""
        lists = await self._ask(lambda client: client.list_pods())
        return [status for statuses in lists for status in statuses]

    # --- what concerns one pod ---

    async def boot_pod(self, spec: PodSpec) -> PodStatus:
        """Boot a pod on its node; an event tells when its guest runs.

        When the node is lost meanwhile, another event tells that the pod has to be booted again.
        When there is none at all, one is waited for: nodes that end are started again.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(RETURN_S):
                await self._joined.wait()
        async with self._turn:
            node = self.assignments.admit(spec)
            self._specs[spec.name] = spec
            if node is None:
                raise NoNodeError(self.assignments.obstacle(spec.name))
            await self._tell_peers()
        member = self._members[node]
        try:
            await self._prepare_on(member, spec.image)
            return await member.call(member.client.boot_pod(spec))
        except NodeLostError as lost:
            return await self._gone_with(member, spec.name, lost)

    async def kill_pod(self, name: str) -> PodStatus:
        """End a pod at once; returns when it has ended."""
        return await self._on_pod(name, lambda client: client.kill_pod(name))

    async def stop_pod(self, name: str, grace_s: float) -> PodStatus:
        """End a pod in order; returns when it has ended."""
        return await self._on_pod(name, lambda client: client.stop_pod(name, grace_s))

    async def pause_pod(self, name: str) -> PodStatus:
        """Keep a pod from running."""
        return await self._on_pod(name, lambda client: client.pause_pod(name))

    async def resume_pod(self, name: str) -> PodStatus:
        """Let a paused pod go on."""
        return await self._on_pod(name, lambda client: client.resume_pod(name))

    async def remove_pod(self, name: str) -> None:
        """Forget a pod that has ended."""
        member = self._owner(name)
        with suppress(NodeLostError):  # it is forgotten with its node
            await member.call(member.client.remove_pod(name))
        async with self._turn:
            self.assignments.forget(name)
            if name not in self.assignments.owners:
                self._specs.pop(name, None)
            await self._tell_peers()

    async def signal_pod(self, name: str, number: int) -> PodStatus:
        """Send a pod's main process a signal."""
        return await self._on_pod(name, lambda client: client.signal_pod(name, number))

    def exec(
        self, order: ExecOrder, steps: AsyncIterable[ExecStep]
    ) -> AsyncGenerator[ExecEvent, None]:
        """Run a program in a pod, to its end."""
        return self._owner(order.pod).client.exec(order, steps)

    def attach(
        self, pod: str, steps: AsyncIterable[AttachStep]
    ) -> AsyncGenerator[AttachEvent, None]:
        """Connect to a pod's main process until it ends, or nobody listens any more."""
        return self._owner(pod).client.attach(pod, steps)

    def copy_out(self, pod: str, path: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
        """Take a file or folder of a pod as a tar stream."""
        return self._owner(pod).client.copy_out(pod, path, follow=follow)

    async def copy_in(
        self, pod: str, path: str, pieces: AsyncIterable[bytes], *, strip: bool
    ) -> Copied:
        """Put a tar stream into a pod."""
        member = self._owner(pod)
        return await member.call(member.client.copy_in(pod, path, pieces, strip=strip))

    async def remove_files(self, pod: str, paths: Sequence[str]) -> None:
        """Remove files and folders of a pod."""
        member = self._owner(pod)
        await member.call(member.client.remove_files(pod, paths))

    async def dial(self, address: IPv4Address, port: int, timeout_s: float) -> Connection:
        """Connect to a pod from its own node."""
        return await self._at(address).client.dial(address, port, timeout_s)

    def ping(
        self, source: IPv4Address, target: IPv4Address, plan: PingPlan
    ) -> AsyncGenerator[NumberedEcho, None]:
        """Send echo requests from a pod's node and report what becomes of each."""
        return self._at(source).client.ping(source, target, plan)

    # --- streams ---

    def watch(self) -> AsyncGenerator[NodeEvent | PodsDisplaced, None]:
        """Report every pod as it stands, then each change."""
        return self._streams.watch(self.members)

    def logs(
        self,
        *,
        follow: bool,
        pods: Iterable[str] = (),
        services: Iterable[str] = (),
        tail: int | None = None,
        since_s: float = 0.0,
        until_s: float | None = None,
    ) -> AsyncGenerator[tuple[LogLines, int], None]:
        """Read logs; what was written on several nodes comes in the order of time."""
        wanted, of = frozenset(pods), frozenset(services)

        def read(
            member: Member, latest: tuple[LogLines, int] | None
        ) -> AsyncGenerator[tuple[LogLines, int], None]:
            return member.client.logs(
                follow=follow,
                pods=wanted,
                services=of,
                tail=tail if latest is None else None,
                since_s=since_s if latest is None else latest[0].time_s + CLOCK_TICK_S,
                until_s=until_s,
            )

        return self._streams.logs(self.members, read, follow=follow)

    def capture(self, wish: CaptureWish) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place.

        What crosses a link is seen on the node of its sender, so all are asked; what an interface
        sends and receives on the node that has it.
        """
        if isinstance(wish.place, InterfacePlace):
            return self._streams.capture([self._at(wish.place.address)], wish)
        return self._streams.capture(self.members, wish)

    def prepare_image(self, image: str) -> AsyncGenerator[Progress, None]:
        """Bring an image to the nodes of its pods and compile it, step by step."""
        owners = self.assignments.owners
        wanted = {
            owners[name]
            for name, spec in self._specs.items()
            if spec.image == image and name in owners
        }
        members = [member for member in self.members if member.name in wanted] or self.members
        return self._distribution.bring(members, self.members, image)

    # --- portals ---

    async def open_portal(
        self,
        service: str,
        port: int,
        host_port: int,
        backends: Iterable[PortalBackend],
        *,
        label: str = "",
        shared_host_port: int = 0,
    ) -> OpenPortal:
        """Open a portal on this machine's node, or else on the first one."""
        async with self._turn:
            return await self._portals.open(
                self.members, service, port, host_port, tuple(backends), label, shared_host_port
            )

    async def close_portal(self, portal_id: str) -> None:
        """Close a portal and its connections."""
        await self._portals.close(portal_id)

    async def list_portals(self) -> list[OpenPortal]:
        """List the open portals."""
        return await self._portals.adopt(self.members)

    async def set_portal_backends(self, portal_id: str, backends: Iterable[PortalBackend]) -> None:
        """Replace the pods behind a portal."""
        await self._portals.set_backends(portal_id, tuple(backends))

    # --- within ---

    async def _bring_up(self, member: Member) -> None:
        """Give a node what the others have."""
        client = member.client
        member.trunk_address = await member.call(client.open_trunk(member.settings.trunk))
        if self._networks:
            await member.call(client.attach_networks(self._networks.items()))
        else:
            self._networks = await member.call(client.list_networks())
        member.configuration = self._configuration_for(member, [*self.members, member])
        if member.configuration is not None:
            await member.call(client.configure_network(member.configuration))
        for network, names in self._names.items():
            await member.call(client.publish_names(network, names))

    async def _adopt(self, member: Member, status: PodStatus) -> None:
        """Take note of a pod that a node has, or end it where another one should have it."""
        if status.state is PodState.EXITED:
            return
        name = status.spec.name
        if self.assignments.adopt(name, status.spec.service, member.name):
            self._specs.setdefault(name, status.spec)
        else:
            await member.call(member.client.kill_pod(name))

    async def _tell_peers(self) -> None:
        """Tell every node who is where, if that has changed."""
        known = whereabouts(self.members, self.assignments.owners, self._specs, self._networks)
        if known == self._told:
            return
        await _together(
            [
                self._tell(member, peers)
                for member, peers in peers_of_all(known).items()
                if member.peers != peers
            ]
        )
        self._told = known

    async def _tell(self, member: Member, peers: tuple[PeerSpec, ...]) -> None:
        await self._reach(member, member.client.set_peers(peers))
        member.peers = peers

    async def _configure_all(self) -> None:
        """Tell every node what its network is like, if that has changed."""
        await _together([self._configure(member) for member in self.members])

    async def _configure(self, member: Member) -> None:
        configuration = self._configuration_for(member, self.members)
        if configuration is not None and configuration != member.configuration:
            await self._reach(member, member.client.configure_network(configuration))
            member.configuration = configuration

    def _configuration_for(
        self, member: Member, members: Sequence[Member]
    ) -> NetworkConfiguration | None:
        """What a node's network is like, with what that node keeps from its pods."""
        if self._configuration is None:
            return None
        guarded = guarded_by(member, members, self._guarded)
        return replace(self._configuration, guarded=(*self._configuration.guarded, *guarded))

    async def _all(self, make: Callable[[NodeClient], Awaitable[object]]) -> None:
        """Have every node do the same."""
        await _together([self._reach(member, make(member.client)) for member in self.members])

    async def _reach(self, member: Member, call: Awaitable[object]) -> None:
        """Have a node do what it must; one that cannot be reached is on its way out."""
        try:
            await member.call(call)
        except NodeLostError as lost:
            member.condemn(str(lost))

    async def _ask(self, make: Callable[[NodeClient], Awaitable[_T]]) -> list[_T]:
        """Ask every node; those that do not answer are left out."""

        async def ask(member: Member) -> _T | None:
            try:
                return await member.call(make(member.client))
            except NodeLostError:
                return None

        answers = await _together([ask(member) for member in self.members])
        return [answer for answer in answers if answer is not None]

    async def _on_pod(
        self, name: str, make: Callable[[NodeClient], Awaitable[PodStatus]]
    ) -> PodStatus:
        member = self._owner(name)
        try:
            return await member.call(make(member.client))
        except NodeLostError as lost:
            return await self._gone_with(member, name, lost)

    async def _gone_with(self, member: Member, pod: str, lost: NodeLostError) -> PodStatus:
        """Say that a pod has ended with its node, once that is certain."""
        if not await member.wait_gone(PATIENCE_S):
            raise NodeRefusedError(f"node {member.name} of {pod} does not answer: {lost}") from lost
        return PodStatus(spec=self._specs[pod], state=PodState.EXITED, generation=0)

    async def _prepare_on(self, member: Member, image: str) -> None:
        """Make sure that a node has an image; most often it does."""
        if image in self._streams.prepared(member):
            return
        async for _ in self._distribution.bring([member], self.members, image):
            pass

    def _marked(self, offer: NodeOffer) -> NodeOffer:
        """What a node offers, given what somebody said of it before."""
        mark = self._marks.get(offer.name)
        if mark is None:
            return offer
        return replace(offer, cordoned=True, draining=mark is NodeState.DRAINED)

    def _member(self, name: str) -> Member:
        if name not in self._members:
            known = ", ".join(self._members) or "none"
            raise UnknownNodeError(name, known)
        return self._members[name]

    def _owner(self, pod: str) -> Member:
        node = self.assignments.owners.get(pod)
        if node is None or node not in self._members:
            raise NoNodeError(f"no node has pod {pod}: {self.assignments.obstacle(pod)}")
        return self._members[node]

    def _owner_name(self, pod: str) -> str | None:
        return self.assignments.owners.get(pod)

    def _is_checked(self, pod: str) -> bool:
        return pod in self._specs and self._specs[pod].healthcheck is not None

    def _at(self, address: IPv4Address) -> Member:
        """The node of the pod that has an address."""
        for pod, spec in self._specs.items():
            if any(interface.address == address for interface in spec.interfaces):
                return self._owner(pod)
        raise NoNodeError(f"no pod has the address {address}")


def _state(cordoned: bool, draining: bool) -> NodeState:
    if draining:
        return NodeState.DRAINED
    return NodeState.CORDONED if cordoned else NodeState.READY


async def _together(calls: Sequence[Awaitable[_T]]) -> list[_T]:
    """Make calls at once; when some fail, the others are made all the same."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _sum_usage(found: Sequence[NodeUsage]) -> NodeUsage:
    return NodeUsage(
        process=ProcessUsage(
            time_s=max((one.process.time_s for one in found), default=0.0),
            resident_bytes=sum(one.process.resident_bytes for one in found),
            cpu_time_s=sum(one.process.cpu_time_s for one in found),
            memory_maps=max((one.process.memory_maps for one in found), default=0),
        ),
        running_pods=sum(one.running_pods for one in found),
        fabric_used_bytes=sum(one.fabric_used_bytes for one in found),
        fabric_limit_bytes=sum(one.fabric_limit_bytes for one in found),
        pods=tuple(pod for one in found for pod in one.pods),
    )
