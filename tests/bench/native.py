"""Runs a case as ordinary processes over loopback: the baseline of most rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.bench.builds import PROGRAMS, native_program
from tests.bench.cases import LISTENING, Case, Report, Side, is_python, reports

LOOPBACK = "127.0.0.1"
CASE_TIMEOUT_S = 60.0


def run_natively(case: Case) -> list[Report]:
    """Run all pairs of a case at once and return their reports."""
    with ExitStack() as running:
        servers = [running.enter_context(_process([*case.server, "0"])) for _ in range(case.pairs)]
        ports = [_port_of(server) for server in servers]
        start_ns = case.start_ns()
        clients = [
            running.enter_context(_process(case.client_command(LOOPBACK, port, start_ns)))
            for port in ports
        ]
        reporters = servers if case.reporter is Side.SERVER else clients
        return [report for process in reporters for report in _reports_of(process)]


def _command(arguments: Sequence[str]) -> list[str]:
    program, *rest = arguments
    if is_python(program):
        return [sys.executable, str(PROGRAMS / program), *rest]
    return [str(native_program(program)), *rest]


@contextmanager
def _process(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(_command(arguments), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _port_of(server: subprocess.Popen[str]) -> int:
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line.startswith(LISTENING), f"{server.args!r} said {line!r}"
    return int(line.removeprefix(LISTENING))


def _reports_of(process: subprocess.Popen[str]) -> list[Report]:
    output, _ = process.communicate(timeout=CASE_TIMEOUT_S)
    assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}"
    return reports(output.splitlines())
