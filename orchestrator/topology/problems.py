"""What is wrong with a topology file, and exactly where.

Owns the value that every stage of reading reports with, the order of reports, and the search for
the word that a person meant. Showing a problem on a terminal is `render.py`'s business.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Iterable

Path: TypeAlias = tuple[str | int, ...]
"""Keys and positions that lead from the document's root to a node."""

_MAX_CANDIDATES = 500
"""Known words that an unknown one is compared with; a hint is not worth minutes."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Severity(Enum):
    """Whether a problem stops the topology from being used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a text; both numbers start at 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in one place."""

    file: str
    mark: Mark | None
    """None when the file as a whole is meant."""
    path: Path
    message: str
    source: str = ""
    """The line of the file that `mark` points into."""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"{self.file}:{self.mark.line}:{self.mark.column}" if self.mark else self.file
        where = f" {path_text(self.path)}:" if self.path else ""
        return f"{place}:{where} {self.message}"


class TopologyError(OrchestratorError):
    """A topology file cannot be used; carries everything that is wrong with it."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(file, problems)
        self.file, self.problems = file, problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class TopologyNameError(OrchestratorError):
    """No deployment can have a name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the name {self.reason}"


def path_text(path: Path) -> str:
    """Write a path the way people do: `services.web.ports[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def quoted(text: str) -> str:
    """Quote a text for a message; unprintable characters are escaped and long texts cut."""
    cut = text if len(text) <= 80 else text[:77] + "..."
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)
    return f'"{printable}"'


def describe(value: object) -> str:
    """Name a value of a file in a message: its text, or what kind of thing it is."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return quoted(str(value))


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Order problems as they appear in each file, and drop repetitions."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.mark or Mark(0, 0))))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that somebody who wrote `word` most likely meant."""
    candidates = list(islice(known, _MAX_CANDIDATES))
    by_folded = {candidate.casefold().replace("-", "_"): candidate for candidate in candidates}
    folded = word.casefold().replace("-", "_")
    if folded in by_folded:
        return by_folded[folded]
    matches = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def suggestion(word: str, known: Iterable[str], *, what: str) -> str:
    """The end of a message about an unknown word: the nearest known one, or all of them.

    Args:
        word: What was written.
        known: What could have been written.
        what: Plural noun for the known words, such as `known keys`.
    """
    names = list(known)
    match = nearest(word, names)
    if match is not None:
        return f"did you mean {quoted(match)}?"
    if not names:
        return f"there are no {what}"
    shown = ", ".join(names[:24]) + (", ..." if len(names) > 24 else "")
    return f"{what}: {shown}"
