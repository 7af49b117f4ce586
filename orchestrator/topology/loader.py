"""Read a topology file: the shell around the pure stages.

Owns what happens before and after the text is parsed: opening the file, the `.env` beside it, and
whatever the topology refers to. It never raises for something that a file may contain.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.topology.checks import MAX_LABEL, label_fault
from orchestrator.topology.document import MAX_BYTES
from orchestrator.topology.parsing import Parsed, Source, decode, parse
from orchestrator.topology.problems import (
    Problem,
    Severity,
    TopologyError,
    TopologyNameError,
    sort_problems,
)
from orchestrator.topology.resolution import ABSENT, read_bytes, read_variables, resolve
from orchestrator.topology.source import TopologySource
from orchestrator.topology.variables import Layered, Noted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.topology.resolution import FindImage, ReadFile
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.validation import Finding

STANDARD_INPUT = "-"
STANDARD_INPUT_SHOWN = "<stdin>"
"""What standard input is called in messages."""
ENVIRONMENT_FILE = ".env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of a file."""

    file: str
    topology: Topology | None
    """Complete and consistent; None when there is any error."""
    problems: tuple[Problem, ...] = ()
    """Errors and warnings, in the order of the file."""
    source: TopologySource | None = None
    """What it takes to read it again; None when it could not be read."""

    @property
    def text(self) -> str:
        """What was read; empty when it could not be."""
        return "" if self.source is None else self.source.text

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the topology from being used."""
        return tuple(p for p in self.problems if p.severity is Severity.ERROR)


def load_topology(file: str | Path, environ: Mapping[str, str]) -> Topology:
    """Read a topology file that is expected to be right.

    Args:
        file: A path, or `-` for standard input.
        environ: The process environment, for `${NAME}`.

    Raises:
        TopologyError: With everything that is wrong.
    """
    reading = read_topology(file, environ)
    if reading.topology is None:
        raise TopologyError(reading.file, reading.errors)
    return reading.topology


def read_topology(
    file: str | Path, environ: Mapping[str, str], find_image: FindImage | None = None
) -> Reading:
    """Read a topology file and find everything that is wrong with it.

    Args:
        file: A path, or `-` for standard input, whose relative paths start in the current folder.
        environ: The process environment, for `${NAME}`.
        find_image: Looks up image references; without it they stay as they are written.
    """
    name = str(file)
    if name == STANDARD_INPUT:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        return read_topology_bytes(raw, STANDARD_INPUT_SHOWN, Path(), environ, find_image)
    content = read_bytes(Path(name))
    if isinstance(content, str):
        problem = Problem(file=name, mark=None, path=(), message=content)
        return Reading(file=name, topology=None, problems=(problem,))
    return read_topology_bytes(content, name, Path(name).parent, environ, find_image)


def read_topology_bytes(
    raw: bytes,
    file: str,
    directory: Path,
    environ: Mapping[str, str],
    find_image: FindImage | None = None,
) -> Reading:
    """Read the bytes of a topology file.

    Args:
        raw: The bytes.
        file: What to call the file in messages.
        directory: Where relative paths start, and where `.env` is looked for.
        environ: The process environment, for `${NAME}`.
        find_image: Looks up image references; without it they stay as they are written.
    """
    decoded = decode(raw, file)
    if isinstance(decoded, Problem):
        return Reading(file=file, topology=None, problems=(decoded,))
    known, problems = _variables(directory, environ)
    variables = Noted(known)
    files: dict[str, bytes] = {}

    def read(path: Path) -> bytes | str:
        content = read_bytes(path)
        if isinstance(content, bytes):
            files[str(path.absolute())] = content
        return content

    topology, found = _understand(decoded, directory, variables, find_image, read, problems)
    usable = all(problem.severity is Severity.WARNING for problem in found)
    source = TopologySource(
        path="" if file == STANDARD_INPUT_SHOWN else str(Path(file).absolute()),
        directory=str(directory.absolute()),
        text=decoded.text,
        variables=variables.used,
        files=files,
    )
    return Reading(file=file, topology=topology if usable else None, problems=found, source=source)


def read_source(source: TopologySource, find_image: FindImage | None = None) -> Reading:
    """Read a topology again.

    What is around it may have changed: a folder that has gone since is a problem of the reading,
    and the topology is complete all the same.
    """
    decoded = Source(source.shown_path, source.text)

    def read(path: Path) -> bytes | str:
        return source.files.get(str(path), ABSENT)

    topology, found = _understand(
        decoded, Path(source.directory), source.variables, find_image, read, []
    )
    reading = Reading(file=source.shown_path, topology=topology, problems=found, source=source)
    return renamed(reading, source.name) if source.name else reading


def renamed(reading: Reading, name: str) -> Reading:
    """Give a topology another name than the file's, so that it can run twice.

    Raises:
        TopologyNameError: nothing can have that name.
    """
    if wrong := label_fault(name, MAX_LABEL):
        raise TopologyNameError(wrong)
    topology, source = reading.topology, reading.source
    return replace(
        reading,
        topology=None if topology is None else topology.model_copy(update={"name": name}),
        source=None if source is None else replace(source, name=name),
    )


def _understand(
    decoded: Source,
    directory: Path,
    variables: Mapping[str, str],
    find_image: FindImage | None,
    read: ReadFile,
    problems: list[Problem],
) -> tuple[Topology | None, tuple[Problem, ...]]:
    """Go through all stages; the model is there whenever the text alone makes one."""
    parsed = parse(decoded, variables)
    topology = None
    if parsed.validated.topology is not None:
        sound = all(problem.severity is Severity.WARNING for problem in parsed.problems)
        resolution = resolve(parsed.validated.topology, directory, variables, find_image, read)
        _report(parsed, resolution.findings)
        problems += resolution.problems
        topology = resolution.topology if sound else None
    return topology, sort_problems([*problems, *parsed.problems])


def _variables(
    directory: Path, environ: Mapping[str, str]
) -> tuple[Mapping[str, str], list[Problem]]:
    """The variables of `.env` under those of the process, as in Compose."""
    path = directory / ENVIRONMENT_FILE
    if not path.is_file():
        return environ, []
    raw = read_bytes(path)
    if isinstance(raw, str):
        return environ, [Problem(file=str(path), mark=None, path=(), message=raw)]
    values, problems = read_variables(raw, str(path), environ)
    return Layered(environ, values), problems


def _report(parsed: Parsed, findings: Iterable[Finding]) -> None:
    """Place findings about the model, except those about parts that the file does not have."""
    original = parsed.validated.original
    placed = [replace(finding, path=original(finding.path)) for finding in findings]
    parsed.report(f for f in placed if not parsed.validated.is_damaged(*f.path))
