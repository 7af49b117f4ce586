"""Linux is the oracle: the same script on the machine's own sockets and in a pod."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.pod_node.guests.python.conftest import PROGRAMS, PodNetwork

SCRIPT = "outcomes.py"


def on_this_machine() -> dict[str, object]:
    command = [sys.executable, "-W", "ignore", str(PROGRAMS / SCRIPT)]
    run = subprocess.run(command, capture_output=True, check=True, timeout=30)
    outcomes: dict[str, object] = json.loads(run.stdout)
    return outcomes


async def test_sockets_of_a_pod_behave_as_those_of_linux(pods: PodNetwork) -> None:
    expected = on_this_machine()
    outcomes = json.loads(await pods.boot("-W", "ignore", f"/programs/{SCRIPT}").finished())
    differing = {
        name: {"linux": expected[name], "pod": outcomes[name]}
        for name in expected
        if outcomes[name] != expected[name]
    }
    assert differing == {}
