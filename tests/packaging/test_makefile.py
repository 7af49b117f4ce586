"""How `make demo` ends, with a program in the place of podnet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ".venv/.installed"


@pytest.mark.parametrize(
    ("status", "ends_well"), [(0, True), (130, True), (1, False), (143, False)]
)
def test_a_demo_that_ends_with_ctrl_c_is_no_error(
    tmp_path: Path, status: int, ends_well: bool
) -> None:
    podnet = tmp_path / "podnet"
    podnet.write_text(f'#!/bin/sh\necho "$@"\nexit {status}\n')
    podnet.chmod(0o755)
    # `make test` runs these tests: what it tells its own children is not for this make
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        ["make", f"--assume-old={INSTALLED}", f"BIN={tmp_path}", "demo", "TOPOLOGY=t.yaml"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "up t.yaml\n"
    assert (done.returncode == 0) is ends_well
    assert (done.stderr == "") is ends_well
