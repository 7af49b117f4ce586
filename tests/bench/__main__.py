"""`python -m tests.bench [NAME...]`: measure and judge all lines of the table, or those named.

Prints the table, writes `build/bench.json`, and ends with status 1 when a bound is missed or a
measure failed.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from importlib import import_module

from tests.bench.builds import ROOT
from tests.bench.machine import machine_facts
from tests.bench.rows import Row, print_rows, write_rows

MEASURES = (
    "stream",
    "round_trip",
    "pairs",
    "python_path",
    "idle",
    "http_requests",
    "boot",
    "kill",
    "connections",
    "policy",
    "network_truth",
    "datagrams",
    "determinism",
    "bystanders",
    "pacing",
    "serving",
    "cli_start",
    "control_plane",
)
RESULT = ROOT / "build" / "bench.json"


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}")
    names = parser.parse_args().names or MEASURES
    if unknown := sorted(set(names) - set(MEASURES)):
        parser.error(f"no measure is called {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    machine = machine_facts()
    if machine["load_average"] > machine["cores"] / 2:
        _say(f"the machine is busy (load {machine['load_average']:.1f}): expect figures to vary")
    rows: list[Row] = []
    failures: list[str] = []
    for name in names:
        begin = time.monotonic()
        try:
            rows += import_module(f"tests.bench.measures.{name}").measure()
        except Exception:  # noqa: BLE001  one broken measure must not hide the others
            failures.append(f"{name} failed:\n{traceback.format_exc()}")
        _say(f"{name}: {time.monotonic() - begin:.0f} s")
    print_rows(rows)
    write_rows(rows, dict(machine), RESULT)
    for failure in failures:
        _say(failure)
    return 1 if failures or not all(row.ok for row in rows) else 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
