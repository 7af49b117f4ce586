"""From the bytes of a file to a checked model: every stage that needs nothing but the text.

Owns the order of the stages (decode, compose, substitute, validate, check), the file's name and
lines, and so the placing of what the stages find. Touches no file; `loader.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.topology.checks import check
from orchestrator.topology.composer import compose
from orchestrator.topology.document import (
    MAX_BYTES,
    Fault,
    Node,
    Scalar,
    Sequence,
    locate,
    split_lines,
    to_plain,
)
from orchestrator.topology.document import Mapping as MappingNode
from orchestrator.topology.interpolation import substitute
from orchestrator.topology.problems import Mark, Problem, Severity
from orchestrator.topology.validation import Finding, Validated, validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BYTE_ORDER_MARK = "\ufeff"
_EXAMPLE = 'a topology has at least "name" and "services"'


@dataclass(slots=True)
class Source:
    """A text file: places what is found in it."""

    file: str
    text: str
    _lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = split_lines(self.text)

    def problem(self, fault: Fault, severity: Severity = Severity.ERROR) -> Problem:
        """Place a fault."""
        index = fault.mark.line - 1
        line = self._lines[index] if index < len(self._lines) else ""
        return Problem(
            file=self.file,
            mark=fault.mark,
            path=fault.path,
            message=fault.message,
            source=line,
            severity=severity,
        )


@dataclass(slots=True)
class Parsed:
    """What a file says, and everything that is wrong with it so far."""

    source: Source
    root: Node | None = None
    validated: Validated = field(default_factory=Validated)
    problems: list[Problem] = field(default_factory=list)

    def report(self, findings: Iterable[Finding]) -> None:
        """Add what a stage found; its paths are those of the file."""
        for finding in findings:
            mark = Mark(1, 1)
            if self.root is not None:
                mark = locate(self.root, finding.path, at_key=finding.at_key)
            self.problems.append(self.source.problem(Fault(mark, finding.message, finding.path)))


def decode(raw: bytes, file: str) -> Source | Problem:
    """Read the bytes of a text file."""
    if len(raw) > MAX_BYTES:
        message = f"larger than {MAX_BYTES // 1024} KiB; a topology is a small text file"
        return Problem(file=file, mark=None, path=(), message=message)
    try:
        return Source(file, raw.decode("utf-8").removeprefix(_BYTE_ORDER_MARK))
    except UnicodeDecodeError as error:
        before = split_lines(raw[: error.start].decode("utf-8"))
        mark = Mark(len(before), len(before[-1]) + 1)
        message = f"not UTF-8 text: byte 0x{raw[error.start]:02x}; save the file as UTF-8"
        return Problem(file=file, mark=mark, path=(), message=message)


def parse(source: Source, variables: Mapping[str, str]) -> Parsed:
    """Read a text as a topology.

    Args:
        source: The text.
        variables: Values for `${NAME}`.
    """
    parsed = Parsed(source)
    root, faults = compose(source.text)
    parsed.problems += [source.problem(fault) for fault in faults]
    if root is None or not isinstance(root, MappingNode):
        if not faults:
            parsed.problems.append(source.problem(_no_mapping(root)))
        return parsed
    substitution = substitute(root, variables)
    parsed.root = substitution.root
    parsed.problems += [source.problem(fault) for fault in substitution.faults]
    parsed.problems += [source.problem(fault, Severity.WARNING) for fault in substitution.warnings]
    parsed.validated = validate(to_plain(parsed.root))
    parsed.report(parsed.validated.findings)
    parsed.report(check(parsed.validated))
    return parsed


def _no_mapping(root: Node | None) -> Fault:
    if root is None or (isinstance(root, Scalar) and root.text is None):
        return Fault(Mark(1, 1), f"the file is empty; {_EXAMPLE}")
    kind = "a list" if isinstance(root, Sequence) else "a plain text"
    return Fault(root.mark, f"expected a mapping, found {kind}; {_EXAMPLE}")
