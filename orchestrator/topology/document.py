"""YAML text as a tree in which every node knows its line and column.

Owns the tree's shape, its bounds, and the way from a path to a place. `composer.py` builds it.
Scalars stay text (or None for YAML's null): what a text means is decided where its type is known,
so that `${REPLICAS}` and `3` are the same to the schema, `1.10` keeps its zero, and `restart: no`
is a word and not a boolean.

Knows nothing of topologies. Touches no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from orchestrator.topology.problems import Mark, Path

MAX_DEPTH = 64
"""Levels of nesting; a topology needs eight."""
MAX_NODES = 100_000
"""Nodes after aliases are followed; some 3,000 services."""
MAX_BYTES = 1024 * 1024
"""Size of a file; a larger one would take tens of seconds to read."""

_NULL_TEXTS = frozenset(("", "~", "null", "Null", "NULL"))
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A leaf: its text, or None for YAML's null."""

    text: str | None
    mark: Mark


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A value of a mapping, and where its key stands."""

    key_mark: Mark
    value: Node


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Nodes under keys; merge keys are already resolved."""

    entries: dict[str, Entry]
    mark: Mark


Node: TypeAlias = Scalar | Sequence | Mapping

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain] | None"
"""A tree without marks, as the schema reads it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a place of a text, before file names and source lines are known."""

    mark: Mark
    message: str
    path: Path = ()


def split_lines(text: str) -> list[str]:
    """The lines of a text as YAML counts them."""
    return _LINE_BREAK.split(text)


def is_null(text: str) -> bool:
    """Whether a plain scalar stands for null in YAML 1.2's core schema."""
    return text in _NULL_TEXTS


def to_plain(node: Node) -> Plain:
    """Strip a tree of its marks."""
    match node:
        case Scalar(text=text):
            return text
        case Sequence(items=items):
            return [to_plain(item) for item in items]
        case Mapping(entries=entries):
            return {key: to_plain(entry.value) for key, entry in entries.items()}


def locate(root: Node, path: Path, *, at_key: bool = False) -> Mark:
    """Where the node at a path stands, or its nearest ancestor that exists.

    Short forms are followed too: the key `API` finds the item `API=1` of a list.

    Args:
        root: The document.
        path: The way to the node.
        at_key: Whether to point at the last key rather than at its value.
    """
    node, mark = root, root.mark
    for depth, part in enumerate(path):
        step = _step(node, part)
        if step is None:
            break
        key_mark, node = step
        is_text = isinstance(node, Scalar) and node.text is not None
        mark = node.mark if is_text and not (at_key and depth == len(path) - 1) else key_mark
    return mark


def _step(node: Node, part: str | int) -> tuple[Mark, Node] | None:
    if isinstance(node, Mapping):
        entry = node.entries.get(str(part))
        return (entry.key_mark, entry.value) if entry else None
    if not isinstance(node, Sequence):
        return None
    if isinstance(part, int):
        found = node.items[part] if part < len(node.items) else None
    else:
        found = next((item for item in node.items if _names(item, part)), None)
    return (found.mark, found) if found else None


def _names(item: Node, key: str) -> bool:
    if not isinstance(item, Scalar) or item.text is None:
        return False
    return item.text == key or item.text.startswith(f"{key}=")
