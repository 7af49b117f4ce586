"""`podnet watch`: changes of files are put into pods, or restart them, as `develop.watch` says.

Owns the watching and the doing; what is to be done about a change is `watching.py`'s to say.
"""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import threading
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
    from pathlib import Path

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.topology.schema import Topology
    from orchestrator.watching import Reaction, Rule

DEBOUNCE_MS = 300
"""Changes that come closer together than `STEP_MS` are one, up to this time."""
STEP_MS = 50
WAIT_S = 0.1
TICK_MS = 200
"""How soon it is known that watching has begun."""


class NothingWatchedError(OrchestratorError):
    """No service of a deployment has anything to watch."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f'no service of "{self.name}" has "develop: {{watch: [...]}}" with a path that exists; '
            "add one, and see docs/topology.md"
        )


@click.command("watch", short_help="Put changed files into pods, or restart them.")
@reaching
def command(reach: Reach) -> None:
    """Put changed files into pods, or restart them, until Ctrl-C.

    What is watched, and what is done, stands under "develop: watch:" of the services.
    """
    reach.follow(lambda client: _follow(client, click.echo))


def watch_beside(control: Path, topology: Topology) -> None:
    """Watch on a thread of its own for as long as this process lives, once all is started.

    Raises:
        NothingWatchedError: there is nothing to watch.
    """
    if not any(service.develop.watch for service in topology.services.values()):
        raise NothingWatchedError(topology.name)

    def run() -> None:
        with suppress(OrchestratorError):  # the deployment has ended; who runs it says why
            asyncio.run(_beside(control, topology))

    threading.Thread(target=run, name="watch", daemon=True).start()


async def _beside(control: Path, topology: Topology) -> None:
    from orchestrator.codec import DeploymentClient
    from orchestrator.state import answers

    while not await asyncio.to_thread(answers, control):  # noqa: ASYNC110  # nobody announces it
        await asyncio.sleep(WAIT_S)
    async with DeploymentClient(control) as client:
        while not await _all_booted(client):  # noqa: ASYNC110  # images may come first
            await asyncio.sleep(WAIT_S)
        await watch(client, topology, lambda text: click.echo(text, err=True))


async def _all_booted(client: DeploymentClient) -> bool:
    """Whether every pod has a root to put files into."""
    from orchestrator.phases import Phase

    waiting = (Phase.WAITING, Phase.PULLING, Phase.COMPILING, Phase.STARTING)
    try:
        view = await client.describe()
    except OrchestratorError:  # it has not got so far
        return False
    return all(pod.phase not in waiting for pod in view.pods)


async def _follow(client: DeploymentClient, tell: Callable[[str], object]) -> None:
    from orchestrator.topology.loader import load_topology

    view = await client.describe()
    topology = await asyncio.to_thread(load_topology, view.topology_path, os.environ)
    await watch(client, topology, tell)


async def watch(
    client: DeploymentClient, topology: Topology, tell: Callable[[str], object]
) -> None:
    """Watch until cancelled.

    Raises:
        NothingWatchedError: there is nothing to watch.
        DeploymentLostError: the deployment has ended.
    """
    from watchfiles import Change, awatch

    from orchestrator.watching import react, rules_of

    paths = [
        entry.path for service in topology.services.values() for entry in service.develop.watch
    ]
    rules = rules_of(topology, await asyncio.to_thread(_folders, paths))
    if not rules:
        raise NothingWatchedError(topology.name)
    watched = sorted({str(rule.path if rule.is_folder else rule.path.parent) for rule in rules})
    changes = awatch(
        *watched,
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=TICK_MS,
        yield_on_timeout=True,
    )
    begun = False
    async with aclosing(changes):
        async for batch in changes:
            if not begun:  # from now on no change is missed, so what there is can be put there
                begun = True
                await _sync_first(client, rules, tell)
                tell(f"watching {', '.join(watched)}")
            deleted = [path for change, path in batch if change is Change.deleted]
            changed = [path for change, path in batch if change is not Change.deleted]
            here = await asyncio.to_thread(_existing, changed)
            gone = [path for path in (*deleted, *changed) if path not in here]
            for reaction in react(rules, here, gone):
                await _do(client, reaction, tell)


def _folders(paths: Iterable[str]) -> dict[str, bool]:
    return {path: os.path.isdir(path) for path in paths if os.path.exists(path)}


def _existing(paths: Iterable[str]) -> set[str]:
    """Find what is there, and all that came into new folders before they were seen."""
    found = {path for path in paths if os.path.lexists(path)}
    for path in list(found):
        for folder, folders, files in os.walk(path):
            found.update(f"{folder}/{name}" for name in (*folders, *files))
    return found


async def _sync_first(
    client: DeploymentClient, rules: Sequence[Rule], tell: Callable[[str], object]
) -> None:
    from orchestrator.watching import Reaction

    for rule in rules:
        if rule.initial_sync:
            names = await asyncio.to_thread(_all_below, rule)
            await _do(client, Reaction(rule.service, synced={rule: names}), tell)


def _all_below(rule: Rule) -> list[str]:
    from orchestrator.watching import concerned

    if not rule.is_folder:
        return ["."]
    found = []
    for folder, folders, files in os.walk(rule.path):
        folders[:] = [name for name in folders if concerned(rule, f"{folder}/{name}") is not None]
        paths = [f"{folder}/{name}" for name in files]
        found += [name for path in paths if (name := concerned(rule, path)) is not None]
    return found


async def _do(client: DeploymentClient, reaction: Reaction, tell: Callable[[str], object]) -> None:
    view = await client.describe()
    pods = [pod.spec.name for pod in view.pods if pod.spec.service == reaction.service]
    try:
        for rule, names in reaction.synced.items():
            archive = await asyncio.to_thread(_archive, rule, names)
            for pod in pods:
                await client.copy_in(pod, rule.target, _pieces(archive), strip=True)
        for pod in pods if reaction.removed else ():
            await client.remove_files(pod, reaction.removed)
        if reaction.restarts:
            await _restart(client, reaction.service)
    except OrchestratorError as error:
        tell(f"{reaction.service}: {error}")
        return
    tell(_told(reaction))


async def _restart(client: DeploymentClient, service: str) -> None:
    steps = client.restart_pods([service], None)
    async with aclosing(steps):
        async for _ in steps:
            pass


def _archive(rule: Rule, names: Iterable[str]) -> bytes:
    """Make a tar stream of changed files; those that have gone meanwhile are left out."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        if rule.is_folder:
            top = tarfile.TarInfo(".")
            top.type, top.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(top)
        folders: set[str] = set()
        for name in names:
            for folder in _around(name):
                if folder not in folders:
                    folders.add(folder)
                    archive.add(rule.path / folder, folder, recursive=False)
            try:
                if rule.is_folder and name != ".":
                    archive.add(rule.path / name, name, recursive=False)
                elif not rule.is_folder:
                    archive.add(rule.path, rule.path.name, recursive=False)
            except FileNotFoundError:
                continue
    return stream.getvalue()


def _around(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


async def _pieces(archive: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(archive), 256 * 1024):
        yield archive[at : at + 256 * 1024]


def _told(reaction: Reaction) -> str:
    names = sorted({name for names in reaction.synced.values() for name in names})
    parts = []
    if names:
        parts.append(f"synced {', '.join(names[:3])}" + (" and more" if len(names) > 3 else ""))
    if reaction.removed:
        parts.append(f"removed {', '.join(reaction.removed[:3])}")
    if reaction.restarts:
        parts.append("restarted")
    return f"{reaction.service}: {'; '.join(parts)}"
