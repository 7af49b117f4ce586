"""From changed files of this machine to what is done about them: `develop.watch`. Pure.

Owns which entry a path concerns, under which name it is put into pods, what is done once for many
changes, and which pods lack some of them because they came later, or began with a fresh root.
Patterns are those of `.dockerignore` as far as they are common: a name matches at any depth, a path
from the watched folder on, `*` and `**` as in shells; a folder covers what is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from orchestrator.topology.schema.develop import WatchAction
from orchestrator.views.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.topology.schema import Topology
    from orchestrator.topology.schema.develop import WatchEntry
    from orchestrator.views.phases import PodView

ALWAYS_IGNORED = (".git", "__pycache__", "*.pyc", "*~", ".*.sw?", "4913", ".DS_Store", "*.podnet")
"""What editors and interpreters leave, and nobody means."""


ROOTED = frozenset(
    {
        Phase.RUNNING,
        Phase.HEALTHY,
        Phase.UNHEALTHY,
        Phase.EXITED,
        Phase.RESTARTING,
        Phase.CRASH_LOOP,
    }
)
"""Where pods have a root for certain, which files can be put into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry, for one service."""

    service: str
    path: PurePosixPath
    """Absolute."""
    is_folder: bool
    action: WatchAction
    target: str = ""
    ignore: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    initial_sync: bool = False

    @property
    def syncs(self) -> bool:
        """Whether changed files are put into pods."""
        return self.action is not WatchAction.RESTART

    @property
    def restarts(self) -> bool:
        """Whether pods are restarted."""
        return self.action is not WatchAction.SYNC


@dataclass(slots=True)
class Reaction:
    """What is to be done in the pods of one service."""

    service: str
    synced: dict[Rule, list[str]] = field(default_factory=dict)
    """Which names below each rule's path are put there."""
    removed: list[str] = field(default_factory=list)
    """Paths in the pods."""
    restarts: bool = False


def rules_of(topology: Topology, folders: Mapping[str, bool]) -> list[Rule]:
    """List the rules of a topology.

    Args:
        topology: What is declared, with absolute paths.
        folders: Whether each path is a folder; those that are not there are left out.
    """
    return [
        _rule(service, entry, is_folder=folders[entry.path])
        for service, section in topology.services.items()
        for entry in section.develop.watch
        if entry.path in folders
    ]


def _rule(service: str, entry: WatchEntry, *, is_folder: bool) -> Rule:
    return Rule(
        service=service,
        path=PurePosixPath(entry.path),
        is_folder=is_folder,
        action=entry.action,
        target=entry.target or "",
        ignore=entry.ignore,
        include=entry.include,
        initial_sync=entry.initial_sync,
    )


def concerned(rule: Rule, path: str) -> str | None:
    """Give the name below a rule's path of a file that it concerns, `.` for the path itself."""
    try:
        name = PurePosixPath(path).relative_to(rule.path)
    except ValueError:
        return None
    if _matches(name, (*ALWAYS_IGNORED, *rule.ignore)):
        return None
    if rule.include and str(name) != "." and not _matches(name, rule.include):
        return None
    return str(name)


def _matches(name: PurePosixPath, patterns: Iterable[str]) -> bool:
    covering = [str(name), *(str(parent) for parent in name.parents)]
    for pattern in patterns:
        plain = pattern.removeprefix("./").rstrip("/")
        anywhere = plain.removeprefix("**/")
        if any(fnmatchcase(path, plain) for path in covering):
            return True
        if "/" not in anywhere and any(fnmatchcase(part, anywhere) for part in name.parts):
            return True
    return False


def react(rules: Sequence[Rule], changed: Iterable[str], deleted: Iterable[str]) -> list[Reaction]:
    """Say what is to be done about changes, once for each service concerned.

    Args:
        rules: All rules.
        changed: Files that are new or different.
        deleted: Files and folders that are gone.
    """
    reactions: dict[str, Reaction] = {}
    for paths, are_gone in ((sorted(set(changed)), False), (sorted(set(deleted)), True)):
        for path in paths:
            for rule in rules:
                name = concerned(rule, path)
                if name is not None:
                    _add(
                        reactions.setdefault(rule.service, Reaction(rule.service)),
                        rule,
                        name,
                        is_gone=are_gone,
                    )
    return list(reactions.values())


def _add(reaction: Reaction, rule: Rule, name: str, *, is_gone: bool) -> None:
    reaction.restarts |= rule.restarts
    if not rule.syncs:
        return
    if not is_gone:
        reaction.synced.setdefault(rule, []).append(name)
    elif name != ".":
        reaction.removed.append(f"{rule.target.rstrip('/')}/{name}")


class Copies:
    """What was put into pods since the watch began, and which pods have all of it."""

    def __init__(self) -> None:
        """Begin with pods that have nothing."""
        self._names: dict[Rule, dict[str, None]] = {}
        self._pods: dict[str, tuple[object, str]] = {}
        """What each pod that has all is booted from, and where: another one has a fresh root."""

    def note(self, reaction: Reaction) -> None:
        """Take note of what pods are given."""
        for rule, names in reaction.synced.items():
            self._names.setdefault(rule, {}).update(dict.fromkeys(names))

    def names(self, rule: Rule) -> list[str]:
        """What has changed below a rule's path; some of it may be gone again."""
        return list(self._names.get(rule, ()))

    def complete(self, pod: PodView) -> None:
        """Take note that a pod has all that there is to have."""
        self._pods[pod.spec.name] = (pod.spec, pod.machine)

    def lose(self, pod: str | None = None) -> None:
        """Take it that a pod, or every one, lacks something."""
        if pod is None:
            self._pods.clear()
        else:
            self._pods.pop(pod, None)

    def lacking(self, pods: Iterable[PodView], services: Iterable[str]) -> list[PodView]:
        """Of some services' pods, those that can be given files and do not have all."""
        wanted = frozenset(services)
        return [
            pod
            for pod in pods
            if pod.spec.service in wanted
            and pod.phase in ROOTED
            and self._pods.get(pod.spec.name) != (pod.spec, pod.machine)
        ]
