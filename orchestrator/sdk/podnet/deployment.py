"""A running deployment, as Python sees it.

Owns what is known of the pods, kept up to date by the deployment's events, and the clients for
HTTP. Everything else is one call to the deployment each.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

from orchestrator.network.changes import Mend, PodVerb, ResetLinks
from orchestrator.targets import ALIVE
from orchestrator.views import (
    CaptureOrder,
    EventOrder,
    LinkAim,
    LogOrder,
    PodAim,
    PodDropped,
    PodShown,
)
from podnet.errors import NotReadyError, PodnetError, RefusedError, translated
from podnet.members import Pod, Service
from podnet.records import epoch_seconds, event_of, lines_of, seconds, seconds_or_none
from podnet.running import run
from podnet.shaping import Fault, Link
from podnet.waiting import hopeless, not_ready
from vnet.configuration import FaultKind
from vnet.ping import PingPlan
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    import httpx

    from orchestrator.codec import DeploymentClient
    from orchestrator.phases import PodView
    from orchestrator.progress import Progress
    from orchestrator.views import DeploymentView
    from pod_node.usage import NodeUsage
    from podnet.records import Duration, Event, LogLine, Moment
    from podnet.running import CompletedExec
    from podnet.source import TopologyLike
    from vnet.capture import CapturedPacket
    from vnet.ping import NumberedEcho
    from vnet.statistics import NetworkStatistics


TOLD_S = 10.0
"""How long the events may take that tell of what was done."""


class Deployment:
    """A running deployment; made by `deploy` and `connect`."""

    def __init__(self, client: DeploymentClient, name: str, state: Path | None) -> None:
        """Look at a deployment through a client, which stays the caller's."""
        self.name = name
        self.state = state
        """The folder of all deployments that this one belongs to; None for one far away."""
        self._client = client
        self._tasks = TaskOwner()
        self._views: dict[str, PodView] = {}
        self._described: DeploymentView | None = None
        self._changed = asyncio.Condition()
        self._clients: list[httpx.AsyncClient] = []
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        await self.refresh()
        self._tasks.spawn(self._follow(), f"events of {self.name}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._tasks.cancel_all()
        for client in self._clients:
            await client.aclose()
        self._clients.clear()

    # ---- who there is ---------------------------------------------------------------------------

    @property
    def services(self) -> tuple[Service, ...]:
        """Its services."""
        names = dict.fromkeys(view.spec.service for view in self._views.values())
        return tuple(self.service(name) for name in names)

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Its pods."""
        return tuple(self.pod(name) for name in self._views)

    def service(self, name: str) -> Service:
        """Take a service by its name.

        Raises:
            RefusedError: there is none.
        """
        self._require(name, (view.spec.service for view in self._views.values()), "service")
        return Service(self, name, lambda: self._named(name))

    def pod(self, name: str) -> Pod:
        """Take a pod by its name.

        Raises:
            RefusedError: there is none.
        """
        self._require(name, self._views, "pod")
        return Pod(self, name, lambda: self._named(name))

    async def refresh(self) -> None:
        """Ask how everything stands; events keep it up to date from then on."""
        with translated():
            self._described = await self._client.describe()
        await self._replace({pod.spec.name: pod for pod in self._described.pods})

    @property
    def portals(self) -> dict[str, str]:
        """URLs on this machine by `service:port`."""
        portals = () if self._described is None else self._described.portals
        return {f"{portal.service}:{portal.port}": portal.url for portal in portals}

    def declared_ports(self, service: str) -> list[int]:
        """Ports of a service that its topology gives portals to."""
        services = () if self._described is None else self._described.services
        return [port for one in services if one.name == service for port in one.ports]

    # ---- waiting --------------------------------------------------------------------------------

    async def wait_until(
        self,
        found: Callable[[Deployment], bool],
        timeout: Duration = 60.0,  # noqa: ASYNC109 - part of the interface
    ) -> None:
        """Wait until something is true of the deployment's pods; asked after each event.

        Raises:
            NotReadyError: it took too long.
        """
        limit_s = seconds(timeout)
        try:
            async with asyncio.timeout(limit_s), self._changed:
                await self._changed.wait_for(lambda: found(self))
        except TimeoutError as error:
            states = ", ".join(f"{pod.name} is {pod.view.state}" for pod in self.pods)
            raise NotReadyError(f"not so after {limit_s:g} s: {states}") from error

    async def wait_ready(
        self,
        *names: str,
        timeout: Duration = 60.0,  # noqa: ASYNC109 - part of the interface
    ) -> None:
        """Wait until services and pods, or all, are ready: healthy, or running without a check.

        A pod that ended well counts as ready.

        Raises:
            NotReadyError: one of them cannot become ready, or it took too long.
        """
        for name in names:
            if not self._named(name):
                self._require(name, self._names(), "service or pod")
        limit_s = seconds(timeout)

        def over() -> bool:
            chosen = self._chosen(names)
            return not not_ready(chosen) or bool(hopeless(chosen))

        try:
            async with asyncio.timeout(limit_s), self._changed:
                await self._changed.wait_for(over)
        except TimeoutError as error:
            reasons = "".join(f"\n  {line}" for line in not_ready(self._chosen(names)))
            raise NotReadyError(f"not ready after {limit_s:g} s:{reasons}") from error
        if lost := hopeless(self._chosen(names)):
            lines = "".join(f"\n  {line}" for line in lost)
            raise NotReadyError(f'deployment "{self.name}" cannot become ready:{lines}')

    # ---- HTTP -----------------------------------------------------------------------------------

    @property
    def http(self) -> httpx.AsyncClient:
        """A client for URLs whose hosts are services or pods: `http://api:8000/`."""
        if self._http is None:
            self._http = self.client()
        return self._http

    def client(self, **options: object) -> httpx.AsyncClient:
        """Make a client into the virtual network; it is closed with the deployment.

        Args:
            options: For `httpx.AsyncClient`, but `transport`.
        """
        import httpx

        from podnet.transport import PodTransport

        transport = PodTransport(self._client)
        client = httpx.AsyncClient(transport=transport, **options)  # type: ignore[arg-type]
        self._clients.append(client)
        return client

    # ---- programs -------------------------------------------------------------------------------

    async def exec(
        self,
        target: str,
        *command: str,
        input: bytes | str = b"",
        environment: Mapping[str, str] | None = None,
        working_dir: str = "",
        index: int = 0,
        timeout: Duration | None = None,  # noqa: ASYNC109 - part of the interface
    ) -> CompletedExec:
        """Run a program in a service's pod or a pod; see `Pod.exec`."""
        return await run(
            self._client,
            target,
            command,
            data=input.encode() if isinstance(input, str) else input,
            environment=environment or {},
            working_dir=working_dir,
            index=index,
            limit=timeout,
        )

    # ---- looking --------------------------------------------------------------------------------

    async def logs(
        self,
        *targets: str,
        follow: bool = False,
        tail: int | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """Read what services or pods wrote, or all, in the order of time.

        Args:
            targets: Services and pods; none means all.
            follow: Go on with what is written.
            tail: How many of each pod's last lines to begin with; None means all.
            since: Leave out earlier lines; None is the start of the deployment.
            until: Leave out later lines.
        """
        order = LogOrder(
            targets=targets,
            follow=follow,
            tail=tail,
            since_s=epoch_seconds(since),
            until_s=epoch_seconds(until),
        )
        with translated():
            async with aclosing(self._client.logs(order)) as chunks:
                async for group, _ in chunks:
                    for line in lines_of(group):
                        yield line

    async def events(
        self,
        *members: str,
        types: Iterable[str] = (),
        since: Moment | None = None,
        until: Moment | None = None,
        initial_state: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Report what happens, to everybody or to some services and pods.

        Args:
            members: Services and pods; none means all.
            types: For example `pod`; none means all.
            since: Begin with what has happened since then; None begins with the next event.
            until: End then; None goes on.
            initial_state: Begin with everything as it stands.
        """
        order = EventOrder(
            since_s=epoch_seconds(since),
            until_s=epoch_seconds(until),
            initial_state=initial_state,
            types=frozenset(types),
            members=frozenset(members),
        )
        with translated():
            async with aclosing(self._client.events(order)) as events:
                async for event in events:
                    yield event_of(event)

    async def capture(
        self,
        first: str,
        second: str | None = None,
        *,
        filter: str = "",
        network: str | None = None,
        count: int = 0,
        snapshot_bytes: int = 0,
    ) -> AsyncGenerator[CapturedPacket, None]:
        """Report packets as they pass a pod, or the link between two.

        Args:
            first: A pod, or one end of a link.
            second: The other end.
            filter: An expression of pcap-filter(7) that may name pods and services.
            network: Where the pod, or the two, have several.
            count: How many; 0 goes on.
            snapshot_bytes: Kept of each packet; 0 keeps all.
        """
        aim: PodAim | LinkAim = PodAim(pod=first, network=network)
        if second is not None:
            aim = LinkAim(first=first, second=second, network=network)
        order = CaptureOrder(aim=aim, filter=filter, snapshot_bytes=snapshot_bytes, count=count)
        with translated():
            async with aclosing(self._client.capture(order)) as batches:
                async for batch in batches:
                    for packet in batch.packets:
                        yield packet

    async def ping(
        self,
        source: str,
        target: str,
        *,
        count: int = 1,
        interval: Duration = 0.1,
        timeout: Duration = 4.0,  # noqa: ASYNC109 - part of the interface
    ) -> list[NumberedEcho]:
        """Send echo requests from a pod to another and say what became of each."""
        from vnet.ping import NumberedEcho

        plan = PingPlan(count=count, interval_s=seconds(interval), timeout_s=seconds(timeout))
        with translated():
            steps = [step async for step in self._client.ping(source, target, plan)]
        return [step for step in steps if isinstance(step, NumberedEcho)]

    async def statistics(self) -> NodeUsage:
        """Say what the node and its pods use."""
        with translated():
            return await self._client.statistics()

    async def node_process_id(self) -> int:
        """Say which process of its machine is the node, to see what happens without it."""
        with translated():
            return (await self._client.describe()).node_process_id

    async def network_statistics(self, *, flows: bool = False) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""
        with translated():
            return await self._client.network_statistics(flows=flows)

    # ---- breaking and mending -------------------------------------------------------------------

    def link(self, first: str, second: str, *, network: str | None = None) -> Link:
        """Take the link between two services or pods, to `set`, `reset` or `show` it."""
        return Link(self._client, first, second, network)

    async def reset_links(self) -> list[str]:
        """Make all links what the topology says; name those that were not."""
        with translated():
            return await self._client.reset_links(ResetLinks())

    def partition(
        self,
        *sides: str | Iterable[str],
        duration: Duration | None = None,
        one_way: bool = False,
        name: str | None = None,
    ) -> Fault:
        """Cut all traffic between groups of pods: `await` it, or use it in an `async with`.

        Args:
            sides: At least two, each a service or a pod, or several.
            duration: After what time to heal it; None is never.
            one_way: Cut only what the first side sends.
            name: What to call it; None lets the deployment choose.
        """
        return Fault(
            self._client, FaultKind.CUT, sides, duration=duration, one_way=one_way, name=name
        )

    def hold(
        self,
        *sides: str | Iterable[str],
        duration: Duration | None = None,
        one_way: bool = False,
        name: str | None = None,
    ) -> Fault:
        """Keep all traffic between groups of pods waiting; as `partition`."""
        return Fault(
            self._client, FaultKind.HOLD, sides, duration=duration, one_way=one_way, name=name
        )

    async def heal(self, name: str | None = None) -> list[str]:
        """End a partition, or all."""
        with translated():
            return await self._client.mend(Mend(kind=FaultKind.CUT, name=name))

    async def release(self, name: str | None = None) -> list[str]:
        """End a hold, or all."""
        with translated():
            return await self._client.mend(Mend(kind=FaultKind.HOLD, name=name))

    async def kill(self, *targets: str) -> list[str]:
        """End pods at once, as a crash would; restart policies apply. Returns when they ended."""
        before = dict(self._views)

        def ended(pod: str) -> bool:
            view = self._views.get(pod)
            return view is None or view.phase not in ALIVE or view.restarts > before[pod].restarts

        return await self._act(PodVerb.KILL, targets, ended)

    async def pause(self, *targets: str, duration: Duration | None = None) -> list[str]:
        """Keep pods from running, for a while or until `resume`."""
        return await self._act(
            PodVerb.PAUSE, targets, lambda pod: self._views[pod].paused, seconds_or_none(duration)
        )

    async def resume(self, *targets: str) -> list[str]:
        """Let paused pods go on."""
        return await self._act(PodVerb.RESUME, targets, lambda pod: not self._views[pod].paused)

    async def apply(
        self,
        topology: TopologyLike,
        *,
        directory: str | os.PathLike[str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Make it what another topology of the same name says; pods that do not differ stay.

        Raises:
            InvalidTopologyError: the topology has mistakes.
            RefusedError: the deployment would not.
        """
        from podnet.source import read_source

        _, source = await asyncio.to_thread(read_source, topology, directory, variables or {})
        await self._settle(self._client.apply(source))

    async def scale(self, **replicas: int) -> None:
        """Change numbers of replicas, for example `scale(web=3)`; returns when it is so.

        Names that are no Python words go in a dict: `scale(**{"my-service": 2})`.
        """
        await self._settle(self._client.scale(replicas))

    async def stop(self, *targets: str, grace: Duration | None = None) -> None:
        """End services, pods or all in order, and keep them from starting again."""
        await self._settle(self._client.stop_pods(targets, seconds_or_none(grace)))

    async def start(self, *targets: str) -> None:
        """Start services, pods or all that were stopped."""
        await self._settle(self._client.start_pods(targets))

    async def restart(self, *targets: str, grace: Duration | None = None) -> None:
        """End services, pods or all in order and start them again."""
        await self._settle(self._client.restart_pods(targets, seconds_or_none(grace)))

    # ---- inside ---------------------------------------------------------------------------------

    async def _act(
        self,
        verb: PodVerb,
        targets: tuple[str, ...],
        done: Callable[[str], bool],
        duration_s: float | None = None,
    ) -> list[str]:
        """Act on pods, and wait until their views say so."""
        with translated():
            pods = await self._client.act_on_pods(verb, targets, duration_s)
        await self.wait_until(lambda _: all(done(pod) for pod in pods), timeout=TOLD_S)
        return pods

    async def _settle(self, steps: AsyncGenerator[Progress, None]) -> None:
        """Wait until everything has come as far as it can."""
        with translated():
            async with aclosing(steps):
                async for _ in steps:
                    pass
        await self.refresh()

    async def _follow(self) -> None:
        """Keep the pods up to date until the deployment ends."""
        order = EventOrder(initial_state=True, types=frozenset({"pod"}))
        try:
            while True:
                with translated():
                    async with aclosing(self._client.events(order)) as events:
                        async for event in events:
                            await self._take(event.happening)
                if event.facts.action != "events-lost":
                    return
        except PodnetError:
            return  # it has ended; whoever asks it for something hears of it

    async def _take(self, happening: object) -> None:
        if isinstance(happening, PodShown):
            await self._replace(self._views | {happening.view.spec.name: happening.view})
        elif isinstance(happening, PodDropped):
            await self._replace({k: v for k, v in self._views.items() if k != happening.pod})

    async def _replace(self, views: dict[str, PodView]) -> None:
        async with self._changed:
            self._views = views
            self._changed.notify_all()

    def _named(self, name: str) -> list[PodView]:
        views = self._views.values()
        return [view for view in views if name in (view.spec.service, view.spec.name)]

    def _chosen(self, names: tuple[str, ...]) -> list[PodView]:
        if not names:
            return list(self._views.values())
        return [view for name in names for view in self._named(name)]

    def _names(self) -> list[str]:
        return [
            name for view in self._views.values() for name in (view.spec.service, view.spec.name)
        ]

    def _require(self, name: str, known: Iterable[str], what: str) -> None:
        from orchestrator.topology.problems import quoted, suggestion

        names = dict.fromkeys(known)
        if name not in names:
            hint = suggestion(name, names, what=f"{what}s")
            raise RefusedError(f"no {what} is called {quoted(name)}; {hint}")
