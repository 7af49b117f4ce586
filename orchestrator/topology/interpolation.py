"""Variables in a topology: `${NAME}`, `${NAME:-default}`, `${NAME:?error}`, `$$`, as in Compose.

Owns the substitution in one text and in a tree. Where variables come from (the process environment,
a `.env` file) is the loader's business. Keys are never substituted, and neither is anything under a
top-level `x-` key, which podnet ignores until an alias brings it into a service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.topology.document import Entry, Fault, Mapping, Node, Scalar, Sequence
from orchestrator.topology.problems import Path, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping as Variables

MAX_TEXT = 1024 * 1024
"""Length of a text after substitution; `${A}${A}${A}` with a long A must not fill the memory."""
_MAX_NESTING = 16

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")


class InterpolationError(ValueError):
    """A text cannot be substituted; the message says why and what to write."""


@dataclass(slots=True)
class Interpolator:
    """Substitutes variables, and remembers which ones were asked for and not set."""

    variables: Variables[str, str]
    unset: dict[str, None] = field(default_factory=dict)
    dry: bool = False
    """Read for the syntax only: the result is thrown away, so nothing is missing."""

    def text(self, template: str) -> str:
        """Substitute the variables of one text.

        Raises:
            InterpolationError: The text breaks the syntax, or asks for a variable that has to be
            set.
        """
        result, position = self._expand(template, 0, nesting=0)
        if position != len(template):
            raise AssertionError("an outermost expansion ends with its text")
        return result

    def _expand(self, template: str, position: int, *, nesting: int) -> tuple[str, int]:
        """Expand up to the end of the text or, inside braces, up to the closing one."""
        pieces: list[str] = []
        length = 0
        while position < len(template):
            if nesting and template[position] == "}":
                break
            if template[position] == "$":
                piece, position = self._variable(template, position, nesting)
            else:
                end = _next_special(template, position, inside=nesting > 0)
                piece, position = template[position:end], end
            pieces.append(piece)
            length += len(piece)
            if length > MAX_TEXT:
                raise InterpolationError(f"longer than {MAX_TEXT:,} characters after substitution")
        return "".join(pieces), position

    def _variable(self, template: str, position: int, nesting: int) -> tuple[str, int]:
        after = position + 1
        if template.startswith("$", after):
            return "$", after + 1
        if template.startswith("{", after):
            return self._braced(template, after + 1, nesting + 1)
        name = _NAME.match(template, after)
        if name is None:
            raise InterpolationError('a "$" stands alone; write "$$" for a plain dollar sign')
        return self._value(name[0]), name.end()

    def _braced(self, template: str, position: int, nesting: int) -> tuple[str, int]:
        if nesting > _MAX_NESTING:
            raise InterpolationError(f"variables are nested more than {_MAX_NESTING} deep")
        name = _NAME.match(template, position)
        if name is None:
            message = '"${" is not followed by a variable name; write "$${" for plain text'
            raise InterpolationError(message)
        operator = _OPERATOR.match(template, name.end())
        if operator is None:
            return self._value(name[0]), _closed(template, name.end(), name[0])
        reader = self if self._needs_word(name[0], operator[0]) else Interpolator({}, dry=True)
        word, end = reader._expand(template, operator.end(), nesting=nesting)
        end = _closed(template, end, name[0])
        return self._operate(name[0], operator[0], word), end

    def _needs_word(self, name: str, operator: str) -> bool:
        return self._is_given(name, operator) == operator.endswith("+")

    def _is_given(self, name: str, operator: str) -> bool:
        value = self.variables.get(name)
        return bool(value) if operator.startswith(":") else value is not None

    def _operate(self, name: str, operator: str, word: str) -> str:
        given = self._is_given(name, operator)
        match operator[-1]:
            case "+":
                return word if given else ""
            case "?" if not given and not self.dry:
                told = f": {word}" if word else "; set it in the environment or in .env"
                raise InterpolationError(f"variable {name} is required{told}")
            case _:
                return self.variables[name] if given else word

    def _value(self, name: str) -> str:
        value = self.variables.get(name)
        if value is None:
            self.unset.setdefault(name)
            return ""
        return value


def _next_special(template: str, position: int, *, inside: bool) -> int:
    found = [template.find("$", position)]
    if inside:
        found.append(template.find("}", position))
    return min((index for index in found if index >= 0), default=len(template))


def _closed(template: str, position: int, name: str) -> int:
    if not template.startswith("}", position):
        raise InterpolationError(f'"${{{name}" has no closing brace, or something else before it')
    return position + 1


@dataclass(slots=True)
class Substitution:
    """A tree after substitution and what was noticed on the way."""

    root: Node
    faults: list[Fault]
    warnings: list[Fault]


def substitute(root: Node, variables: Variables[str, str]) -> Substitution:
    """Substitute the variables of every text of a document."""
    walker = _Walker(variables)
    return Substitution(walker.document(root), walker.faults, walker.warnings)


class _Walker:
    def __init__(self, variables: Variables[str, str]) -> None:
        self._variables = variables
        self._done: dict[Node, Node] = {}
        """Aliased nodes are substituted, and complained about, once."""
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def document(self, root: Node) -> Node:
        if not isinstance(root, Mapping):
            return root
        entries = {
            key: entry if key.startswith("x-") else self._entry(entry, (key,))
            for key, entry in root.entries.items()
        }
        return Mapping(entries, root.mark)

    def _entry(self, entry: Entry, path: Path) -> Entry:
        return Entry(entry.key_mark, self._node(entry.value, path))

    def _node(self, node: Node, path: Path) -> Node:
        done = self._done.get(node)
        if done is None:
            done = self._done[node] = self._substituted(node, path)
        return done

    def _substituted(self, node: Node, path: Path) -> Node:
        match node:
            case Scalar():
                return self._scalar(node, path)
            case Sequence(items=items, mark=mark):
                return Sequence(
                    tuple(self._node(item, (*path, index)) for index, item in enumerate(items)),
                    mark,
                )
            case Mapping(entries=entries, mark=mark):
                return Mapping(
                    {key: self._entry(entry, (*path, key)) for key, entry in entries.items()}, mark
                )

    def _scalar(self, node: Scalar, path: Path) -> Scalar:
        if node.text is None or "$" not in node.text:
            return node
        interpolator = Interpolator(self._variables)
        try:
            text = interpolator.text(node.text)
        except InterpolationError as error:
            self.faults.append(Fault(node.mark, str(error), path))
            return node
        self.warnings += [
            Fault(node.mark, f"variable {quoted(name)} is not set; using an empty text", path)
            for name in interpolator.unset
        ]
        return Scalar(text, node.mark)
