"""The validator's findings in a person's words.

Owns the translation of pydantic's error records: what was expected, what was found, and for an
unknown key whether it is a slip of the keyboard or something that podnet does not have yet.
"""

from __future__ import annotations

import re
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin

from orchestrator.topology.problems import Path, describe, quoted, suggestion
from orchestrator.topology.schema import Section, Topology
from orchestrator.topology.vocabulary import unknown_key

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
}
"""What each of pydantic's type errors asked for."""

_QUOTED = re.compile("'([^']*)'")


def message_for(error: ErrorDetails) -> str:
    """Say what is wrong and what to write instead."""
    kind, found = error["type"], error["input"]
    context = error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return _unknown_key(error["loc"])
        case "missing":
            return f"the key {quoted(str(error['loc'][-1]))} is missing"
        case "value_error":
            return str(context["error"])
        case "enum":
            words = _QUOTED.findall(str(context["expected"]))
            return (
                f"unknown value {describe(found)}; {suggestion(str(found), words, what='values')}"
            )
        case "too_short":
            return "there are no services; declare at least one"
        case _ if kind in _EXPECTED:
            return f"expected {_EXPECTED[kind]}, found {describe(found)}"
        case _:
            return error["msg"]


def _unknown_key(location: Path) -> str:
    key = str(location[-1])
    section = _section_at(location[:-1])
    return unknown_key(key, section.keys(), section.not_yet)


def _section_at(location: Path) -> type[Section]:
    """The section of the schema that a path leads into."""
    current: object = Topology
    for part in location:
        current = _unwrapped(current)
        if isinstance(current, type) and issubclass(current, Section):
            current = current.keys()[str(part)].annotation
        else:
            current = get_args(current)[1 if get_origin(current) is dict else 0]
    section = _unwrapped(current)
    if not (isinstance(section, type) and issubclass(section, Section)):
        raise AssertionError("only sections have keys of their own")
    return section


def _unwrapped(annotation: object) -> object:
    """The type inside `Annotated[...]` and `... | None`."""
    while (origin := get_origin(annotation)) in (Annotated, UnionType, Union):
        choices = [arg for arg in get_args(annotation) if arg is not type(None)]
        annotation = choices[0]
        if origin is not Annotated and len(choices) > 1:
            raise AssertionError("the schema has no choice between sections")
    return annotation
