"""What is known of a running deployment: its pods, kept up to date by its events.

Owns the waiting for them, and the clients for HTTP, which end with the deployment.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

from orchestrator.views.deployment import (
    EventOrder,
    PodDropped,
    PodShown,
)
from podnet.errors import NotReadyError, PodnetError, RefusedError, translated
from podnet.records import seconds
from podnet.waiting import hopeless, not_ready
from vnet.tasks import TaskOwner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    import httpx

    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import DeploymentView
    from orchestrator.views.phases import PodView
    from orchestrator.views.progress import Progress
    from podnet.records import Duration


TOLD_S = 10.0
"""How long the events may take that tell of what was done."""


class Followed:
    """A deployment that is followed."""

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

    async def wait_until(
        self,
        found: Callable[[Self], bool],
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
            states = ", ".join(f"{pod} is {view.state}" for pod, view in self._views.items())
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
