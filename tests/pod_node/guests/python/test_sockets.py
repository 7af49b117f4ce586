"""Linux is the oracle: the same script on the machine's own sockets and in a pod."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.pod_node.guests.python.conftest import PROGRAMS, PodNetwork


def on_this_machine(script: str) -> dict[str, object]:
    command = [sys.executable, "-W", "ignore", str(PROGRAMS / script)]
    run = subprocess.run(command, capture_output=True, check=True, timeout=30)
    outcomes: dict[str, object] = json.loads(run.stdout)
    return outcomes


@pytest.mark.parametrize("script", ["outcomes.py", "datagram_outcomes.py"])
async def test_sockets_of_a_pod_behave_as_those_of_linux(pods: PodNetwork, script: str) -> None:
    expected = on_this_machine(script)
    outcomes = json.loads(await pods.boot("-W", "ignore", f"/programs/{script}").finished())
    differing = {
        name: {"linux": expected[name], "pod": outcomes[name]}
        for name in expected
        if outcomes[name] != expected[name]
    }
    assert differing == {}, json.dumps(differing)
