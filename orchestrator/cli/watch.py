"""`podnet watch`: changes of files are put into pods, or restart them, as `develop.watch` says.

Owns the watching, of files and of pods that come; what is to be done about a change is
`watching.py`'s to say, and `syncing.py` does it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from orchestrator.cli.reaching import Reach
    from orchestrator.cli.syncing import Syncing
    from orchestrator.codec import DeploymentClient
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.watching import Rule
    from orchestrator.views.deployment import DeploymentEvent

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


class CannotWatchError(OrchestratorError):
    """The system does not tell of changes."""

    def __init__(self, places: str, reason: str) -> None:
        super().__init__(places, reason)
        self.places, self.reason = places, reason

    def __str__(self) -> str:
        return f"cannot watch {self.places}: {self.reason}"


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
    from orchestrator.store.state import answers

    while not await asyncio.to_thread(answers, control):  # noqa: ASYNC110  # nobody announces it
        await asyncio.sleep(WAIT_S)
    async with DeploymentClient(control) as client:
        while not await _is_declared(client):  # noqa: ASYNC110  # images may come first
            await asyncio.sleep(WAIT_S)
        await watch(client, topology, lambda text: click.echo(text, err=True))


async def _is_declared(client: DeploymentClient) -> bool:
    try:
        await client.describe()
    except OrchestratorError:  # it has not got so far
        return False
    return True


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
    from orchestrator.cli.syncing import Syncing
    from orchestrator.topology.watching import rules_of

    paths = [
        entry.path for service in topology.services.values() for entry in service.develop.watch
    ]
    rules = rules_of(topology, await asyncio.to_thread(_folders, paths))
    if not rules:
        raise NothingWatchedError(topology.name)
    syncing, begun = Syncing(client, rules, tell), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            files = group.create_task(_watch_files(rules, syncing, begun), name="files")
            await (
                begun.wait()
            )  # no change is missed from now on, and what there is can be put there
            pods = group.create_task(syncing.keep_up(), name="pods")
            await _watch_pods(client, syncing)
            files.cancel()
            pods.cancel()
    except* OrchestratorError as failed:
        raise failed.exceptions[0] from None


def _places(rules: Sequence[Rule]) -> list[str]:
    return sorted({str(rule.path if rule.is_folder else rule.path.parent) for rule in rules})


async def _watch_files(rules: Sequence[Rule], syncing: Syncing, begun: asyncio.Event) -> None:
    from watchfiles import Change, awatch

    from orchestrator.topology.watching import react

    changes = awatch(
        *_places(rules),
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=TICK_MS,
        yield_on_timeout=True,
    )
    try:
        async with aclosing(changes):
            async for batch in changes:
                begun.set()
                deleted = [path for change, path in batch if change is Change.deleted]
                changed = [path for change, path in batch if change is not Change.deleted]
                here = await asyncio.to_thread(_existing, changed)
                gone = [path for path in (*deleted, *changed) if path not in here]
                for reaction in react(rules, here, gone):
                    await syncing.react(reaction)
    except (OSError, RuntimeError) as error:  # as when there are too many files for the system
        raise CannotWatchError(", ".join(_places(rules)), str(error)) from error


async def _watch_pods(client: DeploymentClient, syncing: Syncing) -> None:
    """Have pods that come get what they lack, until the deployment ends."""
    from orchestrator.views.deployment import EventOrder
    from pod_node.status import EventsLost

    order = EventOrder(initial_state=True, types=frozenset({"pod", "node"}))
    goes_on = True
    while goes_on:
        goes_on = False
        async with aclosing(client.events(order)) as events:
            async for event in events:
                goes_on = isinstance(event.happening, EventsLost)
                await _take(event, syncing)


async def _take(event: DeploymentEvent, syncing: Syncing) -> None:
    from orchestrator.topology.watching import ROOTED
    from orchestrator.views.deployment import NodeGone, PodDropped, PodShown
    from pod_node.status import EventsLost, Synced

    match event.happening:
        case NodeGone() | EventsLost():
            await syncing.lose()
        case PodDropped(pod):
            await syncing.lose(pod)
        case Synced():
            syncing.wake()
        case PodShown(view) if view.phase in ROOTED:
            syncing.wake()
        case _:
            pass


def _folders(paths: Iterable[str]) -> dict[str, bool]:
    return {path: os.path.isdir(path) for path in paths if os.path.exists(path)}


def _existing(paths: Iterable[str]) -> set[str]:
    """Find what is there, and all that came into new folders before they were seen."""
    found = {path for path in paths if os.path.lexists(path)}
    for path in list(found):
        for folder, folders, files in os.walk(path):
            found.update(f"{folder}/{name}" for name in (*folders, *files))
    return found
