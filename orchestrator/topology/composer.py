"""From YAML text to a tree of nodes: the only place that calls the YAML parser.

Owns duplicate keys, anchors, aliases, merge keys and tags, and the bounds that keep a hostile text
from costing more than its size: depth, expanded aliases, recursion. It reads the parser's events
and never constructs an object that a tag names. Touches no file.
"""

from __future__ import annotations

from typing import NoReturn, Protocol, cast

import yaml

from orchestrator.topology.document import (
    MAX_DEPTH,
    MAX_NODES,
    Entry,
    Fault,
    Mapping,
    Node,
    Scalar,
    Sequence,
    is_null,
    split_lines,
)
from orchestrator.topology.problems import Mark, Path, quoted

_NULL_TAG = "tag:yaml.org,2002:null"
_CORE_TAGS = {
    "scalar": frozenset(
        ("!", _NULL_TAG, *(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool")))
    ),
    "list": frozenset(("!", "tag:yaml.org,2002:seq")),
    "mapping": frozenset(("!", "tag:yaml.org,2002:map")),
}
_START = Mark(1, 1)


def compose(text: str) -> tuple[Node | None, list[Fault]]:
    """Read the one document of a YAML text.

    Returns:
        The tree, or None when the text has none or is no YAML, and everything that is wrong with
        the text.
    """
    composer: _Composer | None = None
    faults: list[Fault] = []
    try:
        composer = _Composer(text, faults)
        return composer.document(), faults
    except _StopError as stop:
        faults.append(stop.fault)
    except yaml.reader.ReaderError as error:
        faults.append(_reader_fault(text, error))
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        faults.append(Fault(_mark(place), f"not YAML: {', '.join(parts)}"))
    except (ValueError, OverflowError):
        # The scanner passes \U escapes and %YAML versions to chr() and int() unchecked.
        mark = composer.position() if composer else _START
        faults.append(Fault(mark, "not YAML: a number or an escape is out of range"))
    return None, faults


class _YamlMark(Protocol):
    """A place as the parser tells it: both numbers start at 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class _EventSource(Protocol):
    """The part of the parser that is used here."""

    def peek_event(self) -> yaml.Event: ...
    def get_event(self) -> yaml.Event: ...
    def get_mark(self) -> _YamlMark: ...


class _StopError(Exception):
    """Reading cannot go on."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class _Composer:
    def __init__(self, text: str, faults: list[Fault]) -> None:
        self._loader = cast("_EventSource", yaml.SafeLoader(text))
        self._faults = faults
        self._anchors: dict[str, tuple[Node, int]] = {}
        """Finished nodes, and how many nodes each stands for."""
        self._open: set[str] = set()
        """Anchors whose nodes are not finished; an alias to one would be a cycle."""
        self._count = 0

    def position(self) -> Mark:
        return _mark(self._loader.get_mark())

    def document(self) -> Node | None:
        self._next()
        if isinstance(self._peek(), yaml.StreamEndEvent):
            return None
        self._next()
        root = self._node((), 0)
        self._next()
        if not isinstance(event := self._peek(), yaml.StreamEndEvent):
            message = 'a second document starts here; a topology is one document, remove the "---"'
            self._faults.append(Fault(_event_mark(event), message))
        return root

    def _peek(self) -> yaml.Event:
        return self._loader.peek_event()

    def _next(self) -> yaml.Event:
        return self._loader.get_event()

    def _node(self, path: Path, depth: int) -> Node:
        event = self._next()
        mark = _event_mark(event)
        if depth > MAX_DEPTH:
            _stop(mark, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        before = self._count
        self._grow(1, mark)
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            self._open.add(anchor)
        node: Node
        match event:
            case yaml.ScalarEvent():
                node = self._scalar(event, path)
            case yaml.SequenceStartEvent():
                node = self._sequence(event, path, depth)
            case _:
                node = self._mapping(event, path, depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = (node, self._count - before)
        return node

    def _grow(self, nodes: int, mark: Mark) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            _stop(mark, f"more than {MAX_NODES:,} values once aliases are followed")

    def _alias(self, event: yaml.AliasEvent, path: Path) -> Node:
        mark, name = _event_mark(event), str(event.anchor)
        if name in self._open:
            _stop(mark, f"alias *{name} stands inside the value that it names")
        if name not in self._anchors:
            self._report(mark, path, f"alias *{name} has no anchor &{name} before it")
            return Scalar(None, mark)
        node, size = self._anchors[name]
        self._grow(size, mark)
        return node

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Scalar:
        mark, value = _event_mark(event), str(event.value)
        self._check_tag(event, "scalar", path)
        self._check_text(value, mark, path)
        plain = bool(event.implicit[0])
        null = event.tag == _NULL_TAG or (plain and event.tag is None and is_null(value))
        return Scalar(None if null else value, mark)

    def _sequence(self, event: yaml.SequenceStartEvent, path: Path, depth: int) -> Sequence:
        self._check_tag(event, "list", path)
        items: list[Node] = []
        while not isinstance(self._peek(), yaml.SequenceEndEvent):
            items.append(self._node((*path, len(items)), depth + 1))
        self._next()
        return Sequence(tuple(items), _event_mark(event))

    def _mapping(self, event: yaml.Event, path: Path, depth: int) -> Mapping:
        self._check_tag(event, "mapping", path)
        entries: dict[str, Entry] = {}
        merged: list[Mapping] = []
        while not isinstance(self._peek(), yaml.MappingEndEvent):
            is_merge = _is_merge_key(self._peek())
            key_mark = _event_mark(self._peek())
            key = self._key(path, depth)
            value = self._node((*path, key) if key is not None else path, depth + 1)
            if key is None:
                continue
            if is_merge:
                merged += self._merge_sources(value, key_mark, path)
            elif key in entries:
                first = entries[key].key_mark.line
                message = f"duplicate key {quoted(key)}; it is already on line {first}"
                self._report(key_mark, (*path, key), message)
            else:
                entries[key] = Entry(key_mark, value)
        self._next()
        for source in merged:
            entries = entries | {k: v for k, v in source.entries.items() if k not in entries}
        return Mapping(entries, _event_mark(event))

    def _key(self, path: Path, depth: int) -> str | None:
        event = self._peek()
        if isinstance(event, yaml.ScalarEvent):
            self._node(path, depth + 1)
            return str(event.value)
        node = self._node(path, depth + 1)
        if isinstance(node, Scalar) and node.text is not None:
            return node.text
        self._report(_event_mark(event), path, "a key must be a word, not a list or a mapping")
        return None

    def _merge_sources(self, value: Node, mark: Mark, path: Path) -> list[Mapping]:
        sources = value.items if isinstance(value, Sequence) else (value,)
        mappings = [source for source in sources if isinstance(source, Mapping)]
        if len(mappings) < len(sources):
            self._report(
                mark, path, '"<<" merges a mapping or a list of mappings, such as <<: *name'
            )
        return mappings

    def _check_tag(self, event: yaml.Event, kind: str, path: Path) -> None:
        tag: str | None = getattr(event, "tag", None)
        if tag is not None and tag not in _CORE_TAGS[kind]:
            self._report(
                _event_mark(event), path, f"the tag {quoted(tag)} is not supported; remove it"
            )

    def _check_text(self, value: str, mark: Mark, path: Path) -> None:
        if "\0" in value:
            self._report(mark, path, "the text contains a NUL character")
        elif not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            self._report(mark, path, "the text contains half of a surrogate pair")

    def _report(self, mark: Mark, path: Path, message: str) -> None:
        self._faults.append(Fault(mark, message, path))


def _is_merge_key(event: yaml.Event) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and bool(event.implicit[0])


def _stop(mark: Mark, message: str) -> NoReturn:
    raise _StopError(Fault(mark, message))


def _mark(mark: _YamlMark | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else _START


def _event_mark(event: yaml.Event) -> Mark:
    return _mark(event.start_mark)


def _reader_fault(text: str, error: yaml.reader.ReaderError) -> Fault:
    before = split_lines(text[: error.position])
    code = error.character if isinstance(error.character, int) else ord(error.character)
    message = f"not YAML: the character U+{code:04X} is not allowed"
    return Fault(Mark(len(before), len(before[-1]) + 1), message)
