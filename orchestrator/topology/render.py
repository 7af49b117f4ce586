"""Problems as a person at a terminal reads them, and as a program does.

Owns the layout: `FILE:LINE:COLUMN: path: message`, the line of the file, and a caret under the
place. Text comes with colours; whoever writes it to something that is no terminal strips them
(`click.echo` does). A file's own control characters never reach the terminal.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import click

from orchestrator.topology.problems import Mark, Problem, Severity, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.topology.schema import Topology

_WIDTH = 100
"""Characters of a file's line that are shown."""
_LEAD = 60
"""Characters kept before the caret where a line is cut."""
_CUT = "..."
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def render_problems(problems: Iterable[Problem]) -> str:
    """Lay problems out for a terminal, one after the other."""
    return "\n".join(render_problem(problem) for problem in problems)


def render_problem(problem: Problem) -> str:
    """Lay one problem out for a terminal: one line, or three where there is a place to show."""
    colour = _COLOURS[problem.severity]
    warning = "warning: " if problem.severity is Severity.WARNING else ""
    place = _place(problem)
    path = f"{path_text(problem.path)}: " if problem.path else ""
    head = click.style(f"{place}: ", bold=True) + click.style(warning, fg=colour)
    head += _printable(path) + click.style(_printable(problem.message), fg=colour)
    if problem.mark is None or not problem.source.strip():
        return head
    line, caret = _excerpt(problem.source, problem.mark)
    return f"{head}\n    {line}\n    {' ' * caret}{click.style('^', fg=colour, bold=True)}"


def render_rows(problems: Iterable[Problem]) -> str:
    """Write problems as a JSON array of objects."""
    rows = [
        {
            "file": _printable(problem.file),
            "line": problem.mark.line if problem.mark else None,
            "column": problem.mark.column if problem.mark else None,
            "path": path_text(problem.path),
            "severity": problem.severity.value,
            "message": problem.message,
        }
        for problem in problems
    ]
    return json.dumps(rows, indent=2)


def render_summary(file: str, topology: Topology) -> str:
    """Say in one line what a good topology holds."""
    pods = sum(service.deploy.replicas for service in topology.services.values())
    attached = {name for service in topology.services.values() for name in service.attached}
    networks = len(attached | set(topology.networks))
    counts = ", ".join(
        [count(len(topology.services), "service"), count(pods, "pod"), count(networks, "network")]
    )
    return f"{_printable(file)}: {click.style('ok', fg='green')}, {counts}"


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _place(problem: Problem) -> str:
    file = _printable(problem.file)
    return f"{file}:{problem.mark.line}:{problem.mark.column}" if problem.mark else file


def _excerpt(source: str, mark: Mark) -> tuple[str, int]:
    """A line made fit for a terminal, cut around a column, and where the caret goes."""
    index = min(mark.column - 1, len(source))
    start = max(index - _LEAD, 0) if len(source) > _WIDTH else 0
    end = start + _WIDTH
    lead, tail = _CUT if start else "", _CUT if end < len(source) else ""
    before = lead + _printable(source[start:index])
    return before + _printable(source[index:end]) + tail, _columns(before)


def _printable(text: str) -> str:
    """Replace what would move the cursor or do worse; every character stays one character."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "\ufffd" for c in text)


def _columns(text: str) -> int:
    return sum(_character_columns(c) for c in text)


def _character_columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
