"""A running deployment, as Python sees it.

Owns what can be done to it; what is known of it is `following.py`'s business, what it has to tell
`looking.py`'s. Each method is one call to the deployment.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orchestrator.network.changes import Mend, PodVerb, ResetLinks
from orchestrator.orchestration.targets import ALIVE
from podnet.errors import translated
from podnet.members import Pod, Service
from podnet.records import seconds_or_none
from podnet.running import run
from podnet.shaping import Fault, Link
from vnet.configuration import FaultKind

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from podnet.records import Duration
    from podnet.running import CompletedExec
    from podnet.source import TopologyLike
from podnet.following import TOLD_S
from podnet.looking import Looking


class Deployment(Looking):
    """A running deployment; made by `deploy` and `connect`."""

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
