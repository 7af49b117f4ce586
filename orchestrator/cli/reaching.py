"""Which running deployment a command is for, and the way to it.

Owns the options `-d` and `-t`, the search for the only deployment that runs, and the errors when
there is none, or no choice. What a verb does there is the verb's business.
"""

from __future__ import annotations

import asyncio
import os
from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from orchestrator.cli.remoting import remote_address
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from orchestrator.codec import DeploymentClient
    from orchestrator.codec.nodes import NodesClient
    from orchestrator.serving.access import RemoteAddress

ANSWER_S = 30.0
"""How long a deployment may take to answer; killing many pods is the slowest that it does."""

T = TypeVar("T")
P = ParamSpec("P")


class NoDeploymentError(OrchestratorError):
    """No deployment runs that a command could be for, or more than one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Reach:
    """The way to one running deployment."""

    def __init__(self, name: str, control: Path | RemoteAddress) -> None:
        self.name = name
        self._control = control

    def call(self, work: Callable[[DeploymentClient], Awaitable[T]]) -> T:
        """Do something there, and fail when it takes too long.

        Raises:
            DeploymentRefusedError: the deployment would not.
            DeploymentLostError: it has ended.
            NoDeploymentError: it does not answer.
        """
        return asyncio.run(self._call(work))

    def follow(self, work: Callable[[DeploymentClient], Awaitable[T]]) -> T:
        """Do something there for as long as it takes; otherwise as `call`."""
        return asyncio.run(self._connected(work))

    def call_nodes(self, work: Callable[[NodesClient], Awaitable[T]]) -> T:
        """Do something about the nodes; otherwise as `call`."""
        return asyncio.run(self._answered(self._connected_to_nodes(work)))

    def follow_nodes(self, work: Callable[[NodesClient], Awaitable[T]]) -> T:
        """Do something about the nodes for as long as it takes."""
        return asyncio.run(self._connected_to_nodes(work))

    async def _call(self, work: Callable[[DeploymentClient], Awaitable[T]]) -> T:
        return await self._answered(self._connected(work))

    async def _answered(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await call
        except TimeoutError as error:
            raise NoDeploymentError(
                f'deployment "{self.name}" does not answer; see what its "podnet up" says'
            ) from error

    async def _connected_to_nodes(self, work: Callable[[NodesClient], Awaitable[T]]) -> T:
        from orchestrator.codec.nodes import NodesClient

        async with NodesClient(self._control) as client:
            return await work(client)

    async def _connected(self, work: Callable[[DeploymentClient], Awaitable[T]]) -> T:
        from orchestrator.codec import DeploymentClient

        async with DeploymentClient(self._control) as client:
            return await work(client)


def reaching(verb: Callable[Concatenate[Reach, P], T]) -> Callable[P, T]:
    """Give a verb the options that choose a deployment, and the way to it as first argument."""
    return _reaching(verb, "-t", "--topology")


def reaching_without_t(verb: Callable[Concatenate[Reach, P], T]) -> Callable[P, T]:
    """As `reaching`, for a verb whose `-t` is something else."""
    return _reaching(verb, "--topology")


def _reaching(verb: Callable[Concatenate[Reach, P], T], *topology_names: str) -> Callable[P, T]:
    @click.option(
        "-d", "--deployment", metavar="NAME", help="The deployment; by default the only one."
    )
    @click.option(
        *topology_names,
        "topology",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="A topology file that names the deployment.",
    )
    def command(
        deployment: str | None, topology: str | None, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if deployment is not None and topology is not None:
            raise click.UsageError(f"give -d or {topology_names[0]}, not both")
        remote = remote_address()
        if remote is not None:
            if deployment is not None or topology is not None:
                raise click.UsageError(f"there is one deployment at {remote}; leave out -d and -t")
            return verb(Reach(str(remote), remote), *args, **kwargs)
        name = deployment if topology is None else name_in(topology)
        return verb(find_deployment(name), *args, **kwargs)

    return update_wrapper(command, verb)  # type: ignore[return-value]


def find_deployment(name: str | None) -> Reach:
    """Find the way to a deployment; None is the only one that runs.

    Raises:
        NoDeploymentError: it does not run, or there is no choice, or too much of it.
    """
    from orchestrator.store.state import DeploymentFolder, answers, known_deployments, state_root

    root = state_root(os.environ)
    if name is not None and answers(DeploymentFolder(root, name).control_socket):
        return Reach(name, DeploymentFolder(root, name).control_socket)
    folders = [DeploymentFolder(root, known) for known in known_deployments(root)]
    running = {folder.name: folder for folder in folders if answers(folder.control_socket)}
    if name is not None:
        _check_orphaned([name])
        import difflib

        near = difflib.get_close_matches(name, running, n=1)
        hint = f'did you mean "{near[0]}"?' if near else _listed(list(running))
        raise NoDeploymentError(f'no deployment "{name}" runs; {hint}')
    if len(running) != 1:
        if not running:
            _check_orphaned([folder.name for folder in folders])
            raise NoDeploymentError('no deployment runs; start one with "podnet up FILE"')
        names = ", ".join(running)
        raise NoDeploymentError(f"several deployments run: {names}; choose one with -d NAME")
    (folder,) = running.values()
    return Reach(folder.name, folder.control_socket)


def _check_orphaned(names: Iterable[str]) -> None:
    """Say when an orchestrator was killed, and what became of its pods.

    Raises:
        NoDeploymentError: it is so.
    """
    from orchestrator.cli.orphans import find_orphan
    from orchestrator.store.state import DeploymentFolder, state_root

    root = state_root(os.environ)
    for name in names:
        orphan = find_orphan(DeploymentFolder(root, name))
        if orphan is not None:
            raise NoDeploymentError(str(orphan))


def _listed(running: list[str]) -> str:
    return f"there are: {', '.join(running)}" if running else 'start it with "podnet up FILE"'


def name_in(file: str) -> str:
    """Read the name of a deployment in its topology.

    Raises:
        NoDeploymentError: the file has errors.
    """
    from orchestrator.topology.loader import read_topology
    from orchestrator.topology.render import render_problems

    reading = read_topology(file, os.environ)
    if reading.topology is None:
        raise NoDeploymentError(render_problems(reading.errors).removeprefix("error: "))
    return reading.topology.name
