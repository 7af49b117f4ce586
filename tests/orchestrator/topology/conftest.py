"""A topology text in, what is said about it out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from orchestrator.topology.loader import Reading, read_topology_bytes
from orchestrator.topology.schema import Topology

Read: TypeAlias = Callable[..., Reading]
Say: TypeAlias = Callable[..., list[str]]
Load: TypeAlias = Callable[..., Topology]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a text as a file in an empty folder."""

    def run(text: str, **environ: str) -> Reading:
        return read_topology_bytes(text.encode(), "t.yaml", tmp_path, environ)

    return run


@pytest.fixture
def say(read: Read) -> Say:
    """Everything that is said about a text, without the name of the file."""

    def run(text: str, **environ: str) -> list[str]:
        return [str(problem).removeprefix("t.yaml:") for problem in read(text, **environ).problems]

    return run


@pytest.fixture
def load(read: Read) -> Load:
    """The topology in a text that is right."""

    def run(text: str, **environ: str) -> Topology:
        reading = read(text, **environ)
        assert reading.topology is not None, [str(problem) for problem in reading.problems]
        return reading.topology

    return run
