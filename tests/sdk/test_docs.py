"""docs/python.md: every block of it runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

import podnet as sdk

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
SHOP = PAGE.parents[1] / "topologies" / "shop"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PROGRAMS = [block for block in BLOCKS if "asyncio.run(" in block]
TESTS = [block for block in BLOCKS if "async def test_" in block]
PIECES = [block for block in BLOCKS if block not in PROGRAMS + TESTS]


def test_the_page_has_programs_pieces_and_tests() -> None:
    assert (len(PROGRAMS), len(TESTS), len(PIECES)) == (1, 1, 4)


def test_the_program_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAMS[0])
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("200 ['web-1', 'web-2']\n", "")


async def test_the_pieces_run_against_the_programs_deployment(tmp_path: Path) -> None:
    program: dict[str, object] = {"__name__": "page"}
    text = PROGRAMS[0].replace("asyncio.run(main())", "")
    exec(compile(text, str(PAGE), "exec"), program)
    topology = program["TOPOLOGY"]
    assert isinstance(topology, str)
    async with sdk.deploy(topology, directory=tmp_path) as deployment:
        for piece in PIECES:
            names: dict[str, object] = {}
            exec(compile(piece, str(PAGE), "exec"), names)
            (run,) = [value for value in names.values() if iscoroutinefunction(value)]
            await deployment.scale(web=2)
            await deployment.wait_ready()
            await run(deployment)


def test_the_test_passes_and_its_failure_has_the_logs(project: pytest.Pytester) -> None:
    shutil.copytree(SHOP, project.path, dirs_exist_ok=True)
    project.makepyfile(test_good=TESTS[0], test_bad=TESTS[0].replace("== 502", "== 418"))
    done = project.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, failed=1)
    text = done.stdout.str()
    assert "assert 502 == 418" in text
    assert "podnet logs of shop" in text
    assert "podnet events of shop" in text
    assert "partition-1: traffic between web | api is lost" in text
    assert '"GET / HTTP/1.1" 200' in text
