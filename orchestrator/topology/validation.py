"""From a tree to a model, with every mistake found in one run.

A validator that stops at the first broken part would hide the mistakes behind it. So each broken
part is reported, taken out, and the rest validated again, until a model stands; its relations can
then be checked too. What was taken out is remembered, so that nobody complains about the hole it
left.

Owns that loop. The schema's rules are `schema.py`'s, their wording is `messages.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from orchestrator.topology.messages import message_for
from orchestrator.topology.schema import Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from orchestrator.topology.document import Plain
    from orchestrator.topology.problems import Path

_MAX_ROUNDS = 10
"""Each round takes out everything that is broken at one depth; the schema is eight levels deep."""
_PLACEHOLDER = "x"
"""Stands in for a missing text, so that its siblings can be judged."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a part of the model."""

    path: Path
    message: str
    at_key: bool = False
    """The key is wrong, not what stands under it."""


@dataclass(slots=True)
class Validated:
    """A model of what could be read, and what could not."""

    topology: Topology | None = None
    """None when nothing usable is left."""
    findings: list[Finding] = field(default_factory=list)
    damaged: set[Path] = field(default_factory=set)
    """Paths in the file of the parts that were taken out or made up."""
    _kept: dict[Path, list[int]] = field(default_factory=dict)
    """For lists that lost items: where each remaining item stands in the file."""

    def original(self, path: Path) -> Path:
        """The path in the file of a path in the model."""
        result: Path = ()
        for part in path:
            kept = self._kept.get(result)
            if kept and isinstance(part, int) and part < len(kept):
                result = (*result, kept[part])
            else:
                result = (*result, part)
        return result

    def drop_item(self, path: Path, index: int, length: int) -> None:
        """Note that a list of the model lost an item."""
        path = self.original(path)
        if path not in self._kept:
            self._kept[path] = list(range(length))
        del self._kept[path][index]

    def is_damaged(self, *path: str | int) -> bool:
        """Whether this part, or one around it, is not what the file says."""
        return any(path[:length] in self.damaged for length in range(1, len(path) + 1))

    def is_damaged_within(self, *path: str | int) -> bool:
        """Whether this part, one around it or one in it is not what the file says."""
        inside = any(damaged[: len(path)] == path for damaged in self.damaged)
        return inside or self.is_damaged(*path)


def validate(data: Plain) -> Validated:
    """Validate a tree, and go on without the parts that are broken; the tree is changed."""
    result = Validated()
    repair = _Repair(data, result)
    for _ in range(_MAX_ROUNDS):
        try:
            result.topology = Topology.model_validate(data)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            repair.report(errors)
            if not repair.take_out(errors):
                break
        else:
            break
    return result


class _Repair:
    """Reports the validator's errors, and takes their causes out of the tree."""

    def __init__(self, data: Plain, result: Validated) -> None:
        self._data = data
        self._result = result
        self._around: set[Path] = set()
        """Every path that leads into or to a damaged part."""
        self._made_up: set[Path] = set()

    def report(self, errors: Iterable[ErrorDetails]) -> None:
        fresh: list[Path] = []
        for error in errors:
            path = self._result.original(error["loc"])
            if path in self._around or self._result.is_damaged(*path):
                continue
            fresh.append(path)
            missing = error["type"] == "missing"
            at_key = missing or error["type"] == "extra_forbidden"
            shown = path[:-1] if missing else path
            self._result.findings.append(Finding(shown, message_for(error), at_key))
        for path in fresh:
            self._result.damaged.add(path)
            self._around.update(path[:length] for length in range(len(path) + 1))

    def take_out(self, errors: Iterable[ErrorDetails]) -> bool:
        """Take the causes out, from the back so that positions in lists stay true.

        Returns:
            Whether anything is left to validate.
        """
        ordered = sorted(errors, key=lambda error: _order(error["loc"]), reverse=True)
        return all([self._take_out(error) for error in ordered])

    def _take_out(self, error: ErrorDetails) -> bool:
        location = error["loc"]
        original = self._result.original(location)
        if original in self._made_up:
            return self._delete(location[:-1])
        parent = self._parent(location)
        if error["type"] == "missing" and isinstance(parent, dict):
            self._made_up.add(original)
            parent[str(location[-1])] = _PLACEHOLDER
            return True
        return self._delete(location)

    def _parent(self, location: Path) -> Plain:
        """What holds the last part of a location, if the tree goes that far."""
        node = self._data
        for part in location[:-1]:
            if not _has(node, part):
                return None
            node = _item(node, part)
        return node

    def _delete(self, location: Path) -> bool:
        """Delete the deepest part of a location that the tree has."""
        while location and not _has(self._parent(location), location[-1]):
            location = location[:-1]
        if not location:
            return False
        self._result.damaged.add(self._result.original(location))
        holder, last = self._parent(location), location[-1]
        if isinstance(holder, list) and isinstance(last, int):
            self._result.drop_item(location[:-1], last, len(holder))
            del holder[last]
        elif isinstance(holder, dict):
            del holder[str(last)]
        return True


def _has(node: Plain, part: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, dict) and part in node


def _item(node: Plain, part: str | int) -> Plain:
    if isinstance(node, list) and isinstance(part, int):
        return node[part]
    return node[str(part)] if isinstance(node, dict) else None


def _order(location: Path) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in location)
