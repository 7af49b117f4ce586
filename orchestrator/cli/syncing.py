"""Changed files into the pods of a deployment: what `podnet watch` does about changes.

Owns the order: one thing after the other, so that a pod that has just come gets what others got
before it, and nothing twice. What is to be done is `watching.py`'s to say.
"""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from contextlib import aclosing
from typing import TYPE_CHECKING

from orchestrator.errors import OrchestratorError
from orchestrator.topology.watching import ROOTED, Copies, Reaction, concerned

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from orchestrator.codec import DeploymentClient
    from orchestrator.topology.watching import Rule
    from orchestrator.views.phases import PodView

PIECE_BYTES = 256 * 1024
SHOWN = 3
"""Names in one line; more would not be read."""


class Syncing:
    """Puts files into the pods of one deployment."""

    def __init__(
        self, client: DeploymentClient, rules: Sequence[Rule], tell: Callable[[str], object]
    ) -> None:
        """Prepare.

        Args:
            client: The deployment.
            rules: What concerns which service.
            tell: Takes lines for a person.
        """
        self._client = client
        self._rules = rules
        self._tell = tell
        self._copies = Copies()
        self._turn = asyncio.Lock()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Have pods looked at that have come, soon."""
        self._woken.set()

    async def keep_up(self) -> None:
        """Give pods what they lack, whenever some have come, until cancelled.

        Raises:
            OrchestratorError: the deployment does not answer.
        """
        begun = False
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self._catch_up()
            if not begun:
                begun = True
                paths = sorted({str(rule.path) for rule in self._rules})
                self._tell(f"watching {', '.join(paths)}")

    async def lose(self, pod: str | None = None) -> None:
        """Take it that a pod, or every one, begins with a fresh root next."""
        async with self._turn:
            self._copies.lose(pod)

    async def react(self, reaction: Reaction) -> None:
        """Do what is to be done about changes, in all pods of the service."""
        async with self._turn:
            self._copies.note(reaction)
            view = await self._client.describe()
            archives = await self._archives(reaction)
            for pod in (pod for pod in view.pods if pod.spec.service == reaction.service):
                await self._put(pod, archives, reaction.removed)
            if not reaction.restarts or await self._restarted([reaction.service]):
                self._tell(f"{reaction.service}: {_told(reaction)}")

    async def _catch_up(self) -> None:
        """Give pods that have come, or came back with a fresh root, what they lack."""
        async with self._turn:
            view = await self._client.describe()
            lacking = self._copies.lacking(view.pods, {rule.service for rule in self._rules})
            for service in dict.fromkeys(pod.spec.service for pod in lacking):
                await self._give_all(service, [p for p in lacking if p.spec.service == service])

    async def _give_all(self, service: str, pods: Sequence[PodView]) -> None:
        rules = [rule for rule in self._rules if rule.service == service and rule.syncs]
        reaction = Reaction(service, synced={rule: await self._all_of(rule) for rule in rules})
        archives = await self._archives(reaction)
        given = [pod for pod in pods if await self._put(pod, archives)]
        for pod in given:
            self._copies.complete(pod)
        if archives and given:
            reaction.restarts = await self._begin_again(rules, given)
            shown = ", ".join(pod.spec.name for pod in given[:SHOWN])
            self._tell(f"{shown}{' and more' if len(given) > SHOWN else ''}: {_told(reaction)}")

    async def _begin_again(self, rules: Sequence[Rule], given: Sequence[PodView]) -> bool:
        """Restart those that began without what they have now, where that takes a restart.

        What there was when the watch began is waited for by those who need it, as in Compose; but
        nobody waits for changes, and who has ended has not waited.
        """
        restarting = [rule for rule in rules if rule.restarts]
        changed = any(self._copies.names(rule) for rule in restarting)
        again = [p.spec.name for p in given if restarting and (changed or not p.phase.alive)]
        return bool(again) and await self._restarted(again)

    async def _all_of(self, rule: Rule) -> list[str]:
        """What a pod that has nothing is to have."""
        if not rule.initial_sync:
            return self._copies.names(rule)
        return await asyncio.to_thread(_all_below, rule)

    async def _archives(self, reaction: Reaction) -> list[tuple[str, bytes]]:
        """Make tar streams of what is synced, each with where it goes."""
        archives = []
        for rule, names in reaction.synced.items():
            if names:
                content, unread = await asyncio.to_thread(_archive, rule, names)
                archives.append((rule.target, content))
                for problem in unread:
                    self._tell(problem)
        return archives

    async def _put(
        self,
        pod: PodView,
        archives: Sequence[tuple[str, bytes]],
        removed: Sequence[str] = (),
    ) -> bool:
        """Put files into a pod; whether that worked. If not, it gets all when it has come."""
        name = pod.spec.name
        if pod.phase not in ROOTED:
            self._copies.lose(name)
            return False
        try:
            for target, content in archives:
                await self._client.copy_in(name, target, _pieces(content), strip=True)
            if removed:
                await self._client.remove_files(name, removed)
        except OrchestratorError as error:
            self._copies.lose(name)
            self._tell(f"{name}: {error}")
            return False
        return True

    async def _restarted(self, targets: Sequence[str]) -> bool:
        """Restart services or pods; whether that worked."""
        steps = self._client.restart_pods(targets, None)
        try:
            async with aclosing(steps):
                async for _ in steps:
                    pass
        except OrchestratorError as error:
            self._tell(f"{', '.join(targets)}: {error}")
            return False
        return True


def _all_below(rule: Rule) -> list[str]:
    if not rule.is_folder:
        return ["."]
    found = []
    for folder, folders, files in os.walk(rule.path):
        folders[:] = [name for name in folders if concerned(rule, f"{folder}/{name}") is not None]
        paths = [f"{folder}/{name}" for name in files]
        found += [name for path in paths if (name := concerned(rule, path)) is not None]
    return found


def _archive(rule: Rule, names: Iterable[str]) -> tuple[bytes, list[str]]:
    """Make a tar stream of changed files; those that have gone meanwhile are left out.

    Returns:
        The stream, and what cannot be read, in words.
    """
    stream, unread = io.BytesIO(), []
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        if rule.is_folder:
            top = tarfile.TarInfo(".")
            top.type, top.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(top)
        folders: set[str] = set()
        for name in names:
            try:
                for folder in _around(name):
                    if folder not in folders:
                        archive.add(rule.path / folder, folder, recursive=False)
                        folders.add(folder)
                if rule.is_folder and name != ".":
                    archive.add(rule.path / name, name, recursive=False)
                elif not rule.is_folder:
                    archive.add(rule.path, rule.path.name, recursive=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                unread.append(f"{rule.path / name}: {error.strerror or error}")
    return stream.getvalue(), unread


def _around(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


async def _pieces(archive: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(archive), PIECE_BYTES):
        yield archive[at : at + PIECE_BYTES]


def _told(reaction: Reaction) -> str:
    names = sorted({name for names in reaction.synced.values() for name in names})
    parts = []
    if names:
        more = " and more" if len(names) > SHOWN else ""
        parts.append(f"synced {', '.join(names[:SHOWN])}{more}")
    if reaction.removed:
        parts.append(f"removed {', '.join(reaction.removed[:SHOWN])}")
    if reaction.restarts:
        parts.append("restarted")
    return "; ".join(parts)
