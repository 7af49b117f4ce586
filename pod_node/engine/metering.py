"""Has a guest's module ask before it grows: its pod's processes share one limit of memory. Pure.

The engine limits one process at a time. So each `memory.grow` and `table.grow` of a module is
replaced by a call to a function of the module's own that asks first, through a table which is
exported as `HOOK` and filled by the node. As long as the table is empty, nobody is asked: while
modules initialise themselves, and where no pod is.

Functions and types are added behind those that are there, so no number in the module changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pod_node.engine.wasm_code import (
    Reader,
    Section,
    UnknownCodeError,
    joined,
    leb,
    sections,
    skip_expression,
    skip_instruction,
)

HOOK = "podnet.grow"
"""The exported table. Its functions take a number, and answer 0 for no: how many pages a memory is
to have more, how many elements a table. A number below zero takes back what was asked for. The
table's greatest size is `HOOKS` and the elements that the module's tables begin with."""
HOOKS = 2
_PAGES, _ELEMENTS = range(HOOKS)

_TYPE, _IMPORT, _FUNCTION, _TABLE, _EXPORT, _CODE = 1, 2, 3, 4, 7, 10
_ORDER = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
"""In which order sections stand; those of number 0 stand anywhere."""
_I32, _FUNCTION_REFERENCE = b"\x7f", b"\x70"
_MEMORY_GROW, _MISC, _TABLE_GROW = 0x40, 0xFC, 15
_CANDIDATE = re.compile(rb"\x40[\x00\x80]|\xfc[\x0f\x8f]", re.DOTALL)
"""Every function that grows something has this somewhere; few others do."""


@dataclass(slots=True)
class _Module:
    """What must be known of a module, and what is added to it."""

    parts: list[Section]
    types: int = 0
    functions: int = 0
    tables: list[bytes] = field(default_factory=list)
    """Types of references."""
    elements: int = 0
    """That tables begin with."""
    added_types: list[bytes] = field(default_factory=list)
    added_functions: list[tuple[int, bytes]] = field(default_factory=list)
    """Each with the number of its type and its body."""
    growers: dict[int | None, int] = field(default_factory=dict)
    """Numbers of the functions that grow a table, or the memory."""


def metered(module: bytes) -> bytes:
    """Return the module with its growth metered; one that does not grow gets a hook all the same.

    Raises:
        UnknownCodeError: it has an instruction or a type that is not known here.
    """
    known = _Module(list(sections(module)))
    readers: dict[int, Callable[[_Module, Reader], None]] = {
        _TYPE: _read_types,
        _IMPORT: _read_imports,
        _FUNCTION: _read_functions,
        _TABLE: _read_tables,
    }
    for part in known.parts:
        if part.number in readers:
            readers[part.number](known, Reader(part.content))
    code = next((part.content for part in known.parts if part.number == _CODE), None)
    bodies = [] if code is None else _rewritten(known, Reader(code))
    return joined(_with_additions(known, bodies))


def _read_types(known: _Module, reader: Reader) -> None:
    for _ in range(reader.number()):
        if reader.data[reader.at : reader.at + 1] == b"\x4e":  # types that refer to one another
            reader.byte()
            count = reader.number()
        else:
            count = 1
        for _ in range(count):
            _skip_type(reader)
        known.types += count


def _skip_type(reader: Reader) -> None:
    kind = reader.byte()
    if kind in (0x4F, 0x50):  # a subtype, and of what
        reader.skip_numbers(reader.number())
        kind = reader.byte()
    fields = {0x60: 2, 0x5F: 1, 0x5E: 0}
    if kind not in fields:
        raise UnknownCodeError(f"type {kind:#04x}")
    if kind == 0x60:
        for _ in range(2):
            for _ in range(reader.number()):
                reader.value_type()
        return
    for _ in range(reader.number() if kind == 0x5F else 1):
        reader.value_type()
        reader.byte()  # whether it can be changed


def _read_imports(known: _Module, reader: Reader) -> None:
    for _ in range(reader.number()):
        for _ in range(2):
            reader.skip(reader.number())
        match reader.byte():
            case 0:
                known.functions += 1
                reader.skip_numbers(1)
            case 1:
                _read_table_type(known, reader)
            case 2:
                reader.limits()
            case 3:
                reader.value_type()
                reader.byte()
            case 4:
                reader.skip_numbers(2)
            case kind:
                raise UnknownCodeError(f"import of kind {kind}")


def _read_functions(known: _Module, reader: Reader) -> None:
    known.functions += reader.number()


def _read_tables(known: _Module, reader: Reader) -> None:
    for _ in range(reader.number()):
        initial = reader.data[reader.at : reader.at + 2] == b"\x40\x00"
        if initial:
            reader.skip(2)
        _read_table_type(known, reader)
        if initial:
            skip_expression(reader)


def _read_table_type(known: _Module, reader: Reader) -> None:
    known.tables.append(reader.value_type())
    known.elements += reader.limits()


def _rewritten(known: _Module, reader: Reader) -> list[bytes]:
    bodies = []
    for _ in range(reader.number()):
        body = reader.taken(reader.number())
        bodies.append(_rewrite_body(known, body) if _CANDIDATE.search(body) else body)
    return bodies


def _rewrite_body(known: _Module, body: bytes) -> bytes:
    reader, copied = Reader(body), 0
    parts: list[bytes] = []
    for _ in range(reader.number()):
        reader.skip_numbers(1)
        reader.value_type()
    while not reader.ended:
        start = reader.at
        opcode = skip_instruction(reader)
        grower = _grower_for(known, opcode, Reader(body, start + 1))
        if grower is not None:
            parts += (body[copied:start], b"\x10", leb(grower))
            copied = reader.at
    parts.append(body[copied:])
    return b"".join(parts)


def _grower_for(known: _Module, opcode: int, operands: Reader) -> int | None:
    if opcode == _MEMORY_GROW and operands.number() == 0:
        return _grower(known, None)
    if opcode == _MISC and operands.number() == _TABLE_GROW:
        return _grower(known, operands.number())
    return None


def _grower(known: _Module, table: int | None) -> int:
    """Return the number of the function that grows a table, or the memory."""
    if table is not None and table >= len(known.tables):
        raise UnknownCodeError(f"table {table}")
    if table not in known.growers:
        known.growers[table] = known.functions + len(known.added_functions)
        taken = b"" if table is None else known.tables[table]
        kind = _added_type(known, taken + _I32)
        known.added_functions.append((kind, _grower_body(known, table)))
    return known.growers[table]


def _added_type(known: _Module, parameters: bytes) -> int:
    """Return the number of the type of functions from these, one or two, to a number."""
    count = 1 if parameters == _I32 else 2
    entry = b"\x60" + leb(count) + parameters + b"\x01" + _I32
    if entry not in known.added_types:
        known.added_types.append(entry)
    return known.types + known.added_types.index(entry)


def _grower_body(known: _Module, table: int | None) -> bytes:
    """Write the function: ask, grow, and take back what was asked for when the engine refuses."""
    hook = _PAGES if table is None else _ELEMENTS
    amount = b"\x20" + leb(0 if table is None else 1)
    old = b"\x22" + leb(1 if table is None else 2)
    ask = b"\x41" + leb(hook) + b"\x11" + leb(_added_type(known, _I32)) + leb(len(known.tables))
    grow = b"\x40\x00" if table is None else b"\xfc\x0f" + leb(table)
    arguments = amount if table is None else b"\x20\x00" + amount
    is_empty = b"\x41" + leb(hook) + b"\x25" + leb(len(known.tables)) + b"\xd1"
    nothing = amount + b"\x45"
    lines = [
        b"\x01\x01" + _I32,  # one local: the old size
        is_empty + nothing + b"\x72\x04\x40" + arguments + grow + b"\x0f\x0b",
        amount + b"\x41\x00\x48\x04\x7f\x41\x00\x05" + amount + ask + b"\x0b",
        b"\x45\x04\x40\x41\x7f\x0f\x0b",
        arguments + grow + old + b"\x41\x7f\x46\x04\x40",
        b"\x41\x00" + amount + b"\x6b" + ask + b"\x1a\x0b",
        b"\x20" + old[1:] + b"\x0b",
    ]
    return b"".join(lines)


def _with_additions(known: _Module, bodies: list[bytes]) -> list[Section]:
    added = [leb(kind) for kind, _ in known.added_functions]
    most = HOOKS + known.elements
    table = _FUNCTION_REFERENCE + b"\x01" + leb(HOOKS) + leb(most)
    name = HOOK.encode()
    export = leb(len(name)) + name + b"\x01" + leb(len(known.tables))
    bodies = [*bodies, *(body for _, body in known.added_functions)]
    parts = {part.number: part.content for part in known.parts if part.number}
    parts[_TYPE] = _appended(parts.get(_TYPE), known.added_types)
    parts[_FUNCTION] = _appended(parts.get(_FUNCTION), added)
    parts[_TABLE] = _appended(parts.get(_TABLE), [table])
    parts[_EXPORT] = _appended(parts.get(_EXPORT), [export])
    parts[_CODE] = leb(len(bodies)) + b"".join(leb(len(body)) + body for body in bodies)
    unknown = set(parts) - set(_ORDER)
    if unknown:
        raise UnknownCodeError(f"section {min(unknown)}")
    ordered = [Section(number, parts[number]) for number in _ORDER if number in parts]
    return ordered + [part for part in known.parts if part.number == 0]


def _appended(content: bytes | None, entries: list[bytes]) -> bytes:
    """Write a section of what it has and some more."""
    reader = Reader(content or b"\0")
    count = reader.number()
    return leb(count + len(entries)) + reader.data[reader.at :] + b"".join(entries)
