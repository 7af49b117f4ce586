"""Services and pods of a running deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.launch.reachable import ready_pods
from podnet.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from ipaddress import IPv4Address

    import httpx

    from orchestrator.views.phases import PodView
    from podnet.deployment import Deployment
    from podnet.records import Duration, LogLine, Moment
    from podnet.running import CompletedExec


class _Member:
    """What a service and a pod have in common."""

    def __init__(
        self, deployment: Deployment, name: str, views: Callable[[], list[PodView]]
    ) -> None:
        self.name = name
        self._deployment = deployment
        self._views = views
        self._http: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"<podnet {type(self).__name__} {self.name}>"

    @property
    def http(self) -> httpx.AsyncClient:
        """A client whose relative URLs go to the first port that the service declares or checks.

        Raises:
            RefusedError: it declares none; use `client(port)`.
        """
        if self._http is None:
            self._http = self.client()
        return self._http

    def client(self, port: int | None = None, **options: object) -> httpx.AsyncClient:
        """Make a client whose relative URLs go to a port; it is closed with the deployment.

        Args:
            port: TCP port; None is the first that the service declares in `ports`, else that of
                its health check.
            options: For `httpx.AsyncClient`.
        """
        chosen = self._port() if port is None else port
        return self._deployment.client(base_url=f"http://{self.name}:{chosen}", **options)

    def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """Read what it wrote; see `Deployment.logs`."""
        return self._deployment.logs(self.name, follow=follow, tail=tail, since=since, until=until)

    async def exec(
        self,
        *command: str,
        input: bytes | str = b"",
        environment: Mapping[str, str] | None = None,
        working_dir: str = "",
        index: int = 0,
        timeout: Duration | None = None,  # noqa: ASYNC109
    ) -> CompletedExec:
        """Run a program of its image beside its own, to the end: same files, same addresses.

        Args:
            command: Program and arguments.
            input: What it reads.
            environment: Variables beside the pod's own.
            working_dir: Where it starts; empty is where the pod's own did.
            index: Which replica of a service; 0 is the first that runs.
            timeout: After what time to end it; None is never.

        Raises:
            RefusedError: nothing runs there, or the program cannot be started.
            TimeoutError: it took too long.
        """
        return await self._deployment.exec(
            self.name,
            *command,
            input=input,
            environment=environment,
            working_dir=working_dir,
            index=index,
            timeout=timeout,
        )

    async def wait_ready(self, timeout: Duration = 60.0) -> None:  # noqa: ASYNC109
        """Wait until it is ready; see `Deployment.wait_ready`."""
        await self._deployment.wait_ready(self.name, timeout=timeout)

    async def kill(self) -> list[str]:
        """End its pods at once, as a crash would; its restart policy applies."""
        return await self._deployment.kill(self.name)

    async def pause(self, duration: Duration | None = None) -> list[str]:
        """Keep its pods from running, for a while or until `resume`."""
        return await self._deployment.pause(self.name, duration=duration)

    async def resume(self) -> list[str]:
        """Let its paused pods go on."""
        return await self._deployment.resume(self.name)

    def _port(self) -> int:
        view = self._views()[0] if self._views() else None
        if view is not None:
            declared = self._deployment.declared_ports(view.spec.service)
            if declared:
                return declared[0]
            if view.spec.healthcheck is not None and view.spec.healthcheck.port:
                return view.spec.healthcheck.port
        raise RefusedError(
            f'{self.name} declares no port; say which: .client(8000), or give it "ports"'
        )


class Pod(_Member):
    """One pod; its properties are as the latest events say."""

    @property
    def view(self) -> PodView:
        """All that is known about it.

        Raises:
            RefusedError: it is gone.
        """
        views = self._views()
        if not views:
            raise RefusedError(f'there is no pod "{self.name}" any more')
        return views[0]

    @property
    def service(self) -> str:
        """Name of its service."""
        return self.view.spec.service

    @property
    def phase(self) -> str:
        """Where it is: `running`, `healthy`, `exited` and so on."""
        return self.view.phase.value

    @property
    def reason(self) -> str:
        """Why; empty when all is well."""
        return self.view.reason

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return self.view.restarts

    @property
    def ready(self) -> bool:
        """Whether it gets traffic."""
        return bool(ready_pods([self.view]))

    @property
    def exit_status(self) -> int | None:
        """How it last ended, as a shell shows it; None when it never did."""
        return None if self.view.exit is None else self.view.exit.status

    @property
    def addresses(self) -> dict[str, IPv4Address]:
        """Its addresses by network."""
        return {i.network: i.address for i in self.view.spec.interfaces}


class Service(_Member):
    """One service, which stands for all of its pods."""

    @property
    def replicas(self) -> tuple[Pod, ...]:
        """Its pods, as the latest events say."""
        return tuple(self._deployment.pod(view.spec.name) for view in self._views())

    @property
    def ready(self) -> bool:
        """Whether all of its pods get traffic."""
        return all(pod.ready for pod in self.replicas)
