"""Files of `NAME=value` lines: `.env` beside a topology and the files that `env_file` names.

Owns the reading of one such text: comments, `export`, quotes, variables that refer to earlier
lines. Touches no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.topology.document import Fault, split_lines
from orchestrator.topology.interpolation import Interpolator
from orchestrator.topology.problems import Mark, quoted
from orchestrator.topology.variables import Layered

if TYPE_CHECKING:
    from collections.abc import Mapping

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=\s*(.*))?", re.DOTALL)
_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}
_ESCAPE = re.compile(r"\\(.)")


@dataclass(slots=True)
class EnvFile:
    """The variables of a file and the lines that could not be read."""

    values: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def parse_env_file(text: str, variables: Mapping[str, str]) -> EnvFile:
    """Read `NAME=value` lines.

    Args:
        text: The file's text.
        variables: Values for `${NAME}` in values, and for lines that are only a name.
    """
    result = EnvFile()
    interpolator = Interpolator(Layered(result.values, variables))
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            _read_line(line, result.values, variables, interpolator)
        except ValueError as error:
            column = len(line) - len(line.lstrip()) + 1
            result.faults.append(Fault(Mark(number, column), str(error)))
    return result


def _read_line(
    line: str, values: dict[str, str], variables: Mapping[str, str], interpolator: Interpolator
) -> None:
    if "\0" in line:
        raise ValueError("the line contains a NUL character")
    match = _ASSIGNMENT.fullmatch(line)
    if match is None:
        raise ValueError(f"expected NAME=value, found {quoted(line.strip())}")
    name, raw = match[1], match[2]
    if raw is not None:
        values[name] = _value(raw, interpolator)
    elif name in variables:
        values[name] = variables[name]


def _value(raw: str, interpolator: Interpolator) -> str:
    if raw[:1] not in ("'", '"'):
        return interpolator.text(_COMMENT.sub("", raw).strip())
    quote = raw[0]
    end = _closing_quote(raw, quote)
    rest = _COMMENT.sub("", raw[end + 1 :]).strip()
    if rest:
        raise ValueError(f"unexpected text after the closing quote: {quoted(rest)}")
    inner = raw[1:end]
    if quote == "'":
        return inner
    return interpolator.text(_ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[0]), inner))


def _closing_quote(raw: str, quote: str) -> int:
    position = 1
    while position < len(raw) and raw[position] != quote:
        position += 2 if quote == '"' and raw[position] == "\\" else 1
    if position >= len(raw):
        raise ValueError(f"the value has no closing {quote} quote on its line")
    return position
