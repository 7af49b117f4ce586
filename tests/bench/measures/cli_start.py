"""How long a command takes that asks a running deployment one thing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.commands import PODNET, installed, time_s
from tests.bench.rows import Bound, Row
from tests.bench.sampling import alternate

ROUNDS = 10
BOUND_MS = 300.0
VERBS = ("ps", "link show")
TOPOLOGY = """
name: bench
services:
  web: {image: python, command: [python, -c, "import time; time.sleep(86400)"]}
  api: {image: python, command: [python, -c, "import time; time.sleep(86400)"]}
links:
  - {endpoints: [web, api], delay: 1ms}
"""


def measure() -> list[Row]:
    with _deployment() as environment:
        return [row for verb in VERBS for row in _rows(verb, environment)]


def _rows(verb: str, environment: dict[str, str]) -> list[Row]:
    command = [*PODNET, *verb.split()]
    empty = [sys.executable, "-c", "pass"]
    _time_ms(command, environment)
    samples = alternate(
        lambda: _time_ms(command, environment), lambda: _time_ms(empty, environment), ROUNDS
    )
    bound = Row(
        name=f"podnet {verb}",
        unit="ms",
        value=samples.value,
        bound=Bound(BOUND_MS, at_least=False),
        spread=samples.spread,
        note="wall time of the command, from its start to its end, against a deployment of 2 pods",
    )
    ratio = samples.row(
        name=f"podnet {verb}, against an empty program",
        unit="ms",
        note="baseline: the same interpreter with -c pass",
    )
    return [bound, ratio]


def _time_ms(command: list[str], environment: dict[str, str]) -> float:
    return time_s(command, environment) * 1e3


@contextmanager
def _deployment() -> Iterator[dict[str, str]]:
    """Run a deployment; yields the environment in which commands find it."""
    with tempfile.TemporaryDirectory(prefix="pn") as state:
        environment = installed(os.environ, state)
        up = [*PODNET, "up", "-"]
        with subprocess.Popen(
            up,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(TOPOLOGY)
            process.stdin.close()
            try:
                # The table of all pods is the first thing on standard output.
                assert process.stdout.readline(), "the deployment did not start"
                yield environment
            finally:
                process.terminate()
