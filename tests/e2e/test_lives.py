"""Whose death leaves what behind: orchestrators and nodes are killed, and the work goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.backends.processes import lock_holder
from tests.support.lives import (
    boots,
    kill,
    killed_when,
    node_of,
    orchestrator_of,
    pods_of,
    topology,
    until,
)
from tests.support.serving import short_folder
from tests.support.up import URL, podnet, podnet_up, runs, take_down

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def state() -> AsyncIterator[Path]:
    with short_folder() as folder:
        try:
            yield folder
        finally:
            await take_down(folder)


async def test_a_deployment_in_the_background_goes_up_and_down(state: Path, tmp_path: Path) -> None:
    file = topology(tmp_path, "one")
    up = await podnet(state, "up", file, "--wait")
    assert up.status == 0, up.err
    assert "boot a-1: not there yet" in up.err
    again = await podnet(state, "up", file, "-d")
    assert (again.status, "nothing to do" in again.err) == (0, True)
    pids = [orchestrator_of(state), node_of(state)]
    down = await podnet(state, "down", file)
    assert (down.status, down.out) == (0, "lives is down\n")
    assert not any(map(runs, pids))
    assert (await podnet(state, "down", "lives")).out == "lives does not run\n"


async def test_an_up_whose_orchestrator_is_killed_is_finished_by_the_next(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one", replicas=5)
    async with killed_when(state, "up", file, "-d", line="boot a-5"):
        assert (await podnet(state, "netstat")).err.startswith(
            'error: the orchestrator of deployment "lives" is gone, and its pods run on'
        )
    assert (await podnet(state, "up", file, "-d")).status == 0
    assert await boots(state) == {f"a-{n}": 1 for n in range(1, 6)}
    assert (await podnet(state, "up", file, "--dry-run")).out == "nothing to do\n"


async def test_a_rolling_update_whose_orchestrator_is_killed_is_finished_by_the_next(
    state: Path, tmp_path: Path
) -> None:
    await podnet(state, "up", topology(tmp_path, "one"), "-d")
    node = node_of(state)
    file = topology(tmp_path, "two")
    async with killed_when(state, "up", file, "-d", line="a-1: running"):
        assert runs(node)
    up = await podnet(state, "up", file, "-d")
    assert up.status == 0, up.err
    assert "replace a-1" not in up.err, "it was replaced before"
    assert node_of(state) == node
    assert await boots(state) == {f"a-{n}": 2 for n in range(1, 4)}
    assert (await podnet(state, "up", file, "--dry-run")).out == "nothing to do\n"


async def test_a_down_whose_orchestrator_is_killed_is_finished_by_the_next(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one")
    await podnet(state, "up", file, "-d")
    node = node_of(state)
    down = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main", "down"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    await kill(orchestrator_of(state))
    await down.wait()
    assert (await podnet(state, "down")).status in (0, 1)
    assert not runs(node)
    assert lock_holder(state / "lives" / "lock") is None


async def test_the_pods_of_a_killed_node_come_back_as_they_were(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one")
    url = URL.search((await podnet(state, "up", file, "-d")).out)
    await podnet(state, "stop", "a-3")
    await podnet(state, "hold", "a-1", "a-2", "--name", "kept")
    before = await pods_of(state)
    await kill(node_of(state))
    async with asyncio.timeout(60):
        while await boots(state) != {"a-1": 1, "a-2": 1}:  # noqa: ASYNC110 - a node is asked
            await asyncio.sleep(0.05)
    after = await pods_of(state)
    for name in ("a-1", "a-2"):
        assert after[name]["addresses"] == before[name]["addresses"]
    again = URL.search((await podnet(state, "up", file, "-d")).out)
    assert url is not None
    assert again is not None
    assert again[0] == url[0]
    events = await podnet(state, "events", "--since", "1h", "--until", "0s")
    assert "node lost (signal SIGKILL" in events.out
    assert "kept" in (await podnet(state, "release", "kept")).out


async def test_an_update_that_fails_goes_back_to_the_topology_before(
    state: Path, tmp_path: Path
) -> None:
    more = "update_config: {failure_action: rollback, order: start-first, monitor: 3s}"
    await podnet(state, "up", topology(tmp_path, "one", more=more), "-d")
    up = await podnet(state, "up", topology(tmp_path, "broken", more=more), "-d")
    assert up.status == 1
    assert "going back to the topology before, because a-4 is exited (3)" in up.err
    assert await boots(state) == {f"a-{n}": 1 for n in range(1, 4)}, (
        "the old ones were never touched"
    )
    assert (await podnet(state, "up", topology(tmp_path, "one", more=more), "--dry-run")).out == (
        "nothing to do\n"
    )


async def test_an_update_that_fails_stands_and_the_next_one_goes_on(
    state: Path, tmp_path: Path
) -> None:
    more = "update_config: {monitor: 3s}"
    await podnet(state, "up", topology(tmp_path, "one"), "-d")
    up = await podnet(state, "up", topology(tmp_path, "broken", more=more), "-d")
    assert up.status == 1
    assert "a: paused, 1 of 3 pods replaced: a-1 is exited (3)" in up.err
    assert set(await boots(state)) == {"a-2", "a-3"}
    assert (await podnet(state, "up", topology(tmp_path, "three"), "-d")).status == 0
    assert await boots(state) == {"a-1": 3, "a-2": 2, "a-3": 2}


async def test_ps_says_what_became_of_a_deployment_whose_orchestrator_was_killed(
    state: Path, tmp_path: Path
) -> None:
    await podnet(state, "up", topology(tmp_path, "one", replicas=1), "-d")
    node = node_of(state)
    await kill(orchestrator_of(state))
    gone = 'the orchestrator of deployment "lives" is gone, and'
    runs_on = (
        f"{gone} its pods run on (node process {node}); "
        '"podnet up FILE" takes them over, "podnet down lives" ends them\n'
    )
    listed, named = await podnet(state, "ps"), await podnet(state, "ps", "lives")
    assert (listed.status, listed.err) == (0, runs_on)
    assert (named.status, named.err) == (1, f"error: {runs_on}")
    await kill(node)
    listed, verb = await podnet(state, "ps"), await podnet(state, "netstat")
    assert listed.err.startswith(f"{gone} so are its node and pods; ")
    assert verb.err == f"error: {listed.err}"
    await podnet(state, "down", "lives")
    assert (await podnet(state, "ps")).err == ""


async def test_a_changed_restart_policy_is_a_step_whoever_finds_it(
    state: Path, tmp_path: Path
) -> None:
    await podnet(state, "up", topology(tmp_path, "one", replicas=1), "-d")
    file = topology(tmp_path, "one", replicas=1, policy="always")
    step = "apply restart policy of a: declared otherwise\n"
    assert (await podnet(state, "up", file, "--dry-run")).out == step
    await kill(orchestrator_of(state))
    assert (await podnet(state, "up", file, "--dry-run")).out == step
    assert (await podnet(state, "up", file, "-d")).status == 0
    assert (await podnet(state, "up", file, "--dry-run")).out == "nothing to do\n"


async def test_ctrl_c_looks_away_from_what_goes_on_in_the_background(
    state: Path, tmp_path: Path
) -> None:
    never = "healthcheck: {tcp: ':1', interval: 1s, start_period: 1h}"
    file = Path(topology(tmp_path, "one", replicas=1, checks=never))
    goes_on = 'podnet: lives goes on; "podnet down lives" ends it\n'
    async with podnet_up(file, state, "--wait", ends=False) as first:
        await first.until(lambda line: "a-1: running" in line)
        pid = orchestrator_of(state)
        assert await first.end(signal.SIGINT) == 130
    assert first.err[-1] == goes_on
    async with podnet_up(file, state, "--wait", ends=False) as second:
        await second.until(lambda line: "nothing to do" in line)
        assert await second.end(signal.SIGINT) == 130
    assert second.err[-1] == goes_on
    assert orchestrator_of(state) == pid
    assert await boots(state) == {"a-1": 1}


async def test_an_up_that_is_refused_leaves_nothing_in_the_background(
    state: Path, tmp_path: Path
) -> None:
    (state / "lives").mkdir()
    (state / "lives" / "logs").write_text("a file where the logs should be")
    up = await podnet(state, "up", topology(tmp_path, "one"), "-d")
    assert up.status == 1
    assert up.err.startswith("error: the pod node ended unexpectedly (exit status 1)")
    assert f"| error: {state}/lives: File exists" in up.err
    assert lock_holder(state / "lives" / "lock") is None


async def test_two_ups_at_once_make_one_deployment(state: Path, tmp_path: Path) -> None:
    file = topology(tmp_path, "one")
    first, second = await asyncio.gather(
        podnet(state, "up", file, "-d"), podnet(state, "up", file, "-d")
    )
    assert (first.status, second.status) == (0, 0), first.err + second.err
    assert await boots(state) == {f"a-{n}": 1 for n in range(1, 4)}


async def test_what_was_scaled_stays_until_the_file_says_something_else(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one", replicas=1)
    await podnet(state, "up", file, "-d")
    assert (await podnet(state, "scale", "a=2")).status == 0
    await kill(orchestrator_of(state))
    assert (await podnet(state, "up", file, "-d")).status == 0
    assert set(await boots(state)) == {"a-1", "a-2"}
    assert (await podnet(state, "up", topology(tmp_path, "one", replicas=3), "-d")).status == 0
    assert set(await boots(state)) == {"a-1", "a-2", "a-3"}


async def test_a_damaged_database_is_told_and_down_ends_the_pods_all_the_same(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one", replicas=1)
    await podnet(state, "up", file, "-d")
    await kill(orchestrator_of(state))
    node = node_of(state)
    for path in (state / "lives").glob("state.db*"):
        path.write_bytes(b"garbage" * 100)
    up = await podnet(state, "up", file, "-d")
    assert up.status == 1
    assert f"error: state database {state / 'lives' / 'state.db'}: " in up.err
    assert "Traceback" not in up.err
    assert runs(node)
    assert (await podnet(state, "down", "lives")).status == 0
    assert not runs(node)


async def test_a_pod_that_ends_at_once_is_no_hot_loop_for_the_next_orchestrator_either(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "broken", replicas=1, policy="always")
    await podnet(state, "up", file, "-d")
    await until(state, lambda pods: int(str(pods["a-1"]["restarts"])) >= 3)
    await kill(orchestrator_of(state))
    await podnet(state, "up", file, "-d")
    shown = await podnet(state, "inspect", "a-1", "--format", "json")
    assert '"restarts": 0' not in shown.out


async def test_the_end_of_standard_input_takes_everything_down(state: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.process.background", "lives", "--until-eof"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    assert (await podnet(state, "up", topology(tmp_path, "one"), "-d")).status == 0
    node = node_of(state)
    process.stdin.close()
    assert await process.wait() == 0
    assert not runs(node)


async def test_a_foreground_up_takes_over_what_a_background_one_left(
    state: Path, tmp_path: Path
) -> None:
    file = topology(tmp_path, "one", replicas=1)
    await podnet(state, "up", file, "-d")
    await kill(orchestrator_of(state))
    node = node_of(state)
    async with podnet_up(Path(file), state) as up:
        await up.url()
        assert up.node_pids() == []
        assert await up.end(signal.SIGINT) == 130
        assert not runs(node)
