"""The plugin in projects that have podnet installed: it costs nothing and takes nothing down."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.up import descendants, runs, wait_gone

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("grpc", "httpx", "httpcore", "pydantic", "yaml", "wasmtime", "podnet.deployment")
UNUSED = f"""
import sys

def test_nothing():
    assert [name for name in {HEAVY!r} if name in sys.modules] == []
    assert "podnet.pytest_plugin" in sys.modules
"""
FOREVER = """
import asyncio, podnet

TOPOLOGY = '''
name: forever
services: {a: {image: python, command: [python, -c, "import time; time.sleep(10000)"]}}
'''

async def main():
    async with podnet.deploy(TOPOLOGY) as deployment:
        print(deployment.state, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_project_that_does_not_use_it_loads_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(UNUSED)
    project.runpytest_subprocess("-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_a_project_without_pytest_asyncio_is_not_disturbed(project: pytest.Pytester) -> None:
    project.makepyfile("def test_nothing(): pass")
    done = project.runpytest_subprocess("-p", "no:asyncio")
    done.assert_outcomes(passed=1)


def test_deployments_of_fixtures_end_with_their_scope(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        TOPOLOGY = {"name": "one", "services": {"a": {"image": "python", "command":
            ["python", "-c", "import time; time.sleep(1000)"]}}}
        STATES = []

        @pytest.mark.asyncio
        async def test_two_deployments_of_one_name_live_side_by_side(podnet):
            first, second = await podnet(TOPOLOGY), await podnet(TOPOLOGY)
            assert first.state != second.state
            STATES.extend([first.state, second.state])
            raise RuntimeError("whatever happens")

        def test_both_are_gone():
            assert len(STATES) == 2
            assert not any(state.exists() for state in STATES)
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1, failed=1)


async def test_a_program_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FOREVER),
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": "/tmp"},
    )
    assert process.stdout is not None
    state = (await process.stdout.readline()).decode().strip()
    assert state, "it has started"
    pids = descendants(process.pid)
    assert len(pids) >= 2, "an orchestrator and a node"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await wait_gone(pids)
    assert not any(map(runs, pids))
