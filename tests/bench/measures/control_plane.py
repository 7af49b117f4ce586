"""What the control plane costs: to see that nothing is to be done, to start, to grow, to shrink."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from orchestrator.desired.plan import make_plan
from orchestrator.desired.reconcile import Desired, Observed, ObservedPod, reconcile
from orchestrator.topology.loader import read_topology_bytes
from orchestrator.views.phases import Phase
from tests.bench.commands import PODNET, installed, time_s
from tests.bench.rows import Bound, Row
from tests.bench.sampling import span

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
STARTS = 3
FEW, MANY = 100, 1000
RECONCILE_MS = 50.0
DEMO_S = 1.5
SWARM_S = 60.0
SHOP = Path(__file__).parents[3] / "topologies" / "shop" / "shop.yaml"
SWARM = """
name: swarm
services:
  a:
    image: python
    command: [python, -c, "import time; time.sleep(86400)"]
    deploy: {{replicas: {replicas}}}
"""


def measure() -> list[Row]:
    with _state() as environment:
        return [_reconcile(), _demo(environment), *_swarm(environment)]


def _reconcile() -> Row:
    text = SWARM.format(replicas=MANY)
    topology = read_topology_bytes(text.encode(), "swarm.yaml", Path("/"), {}).topology
    assert topology is not None
    declared, found = (make_plan(topology, state_dir=Path("/state")) for _ in range(2))
    observed = Observed(
        networks={network.name: network.subnet for network in found.networks},
        pods={pod.spec.name: ObservedPod(spec=pod.spec, phase=Phase.RUNNING) for pod in found.pods},
    )
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        assert not reconcile(Desired(plan=declared), observed)
        times.append((time.perf_counter() - begin) * 1e3)
    return Row(
        name=f"reconcile {MANY:,} pods with nothing to do",
        unit="ms",
        value=median(times),
        bound=Bound(RECONCILE_MS, at_least=False),
        spread=span(times),
    )


def _demo(environment: dict[str, str]) -> Row:
    times = []
    for _ in range(STARTS + 1):
        times.append(_run(environment, "up", str(SHOP), "--wait"))
        _run(environment, "down", "shop")
    warm = times[1:]
    return Row(
        name="podnet up --wait of the demo, warm",
        unit="s",
        value=median(warm),
        bound=Bound(DEMO_S, at_least=False),
        spread=span(warm),
        note="from the command's start to its end, all pods healthy; bytecode, image and compiled "
        "kernel were there before",
    )


def _swarm(environment: dict[str, str]) -> list[Row]:
    file = Path(environment["PODNET_STATE"]) / "swarm.yaml"
    times = {}
    for replicas in (FEW, MANY):
        file.write_text(SWARM.format(replicas=replicas))
        times[replicas] = _run(environment, "up", str(file), "--wait")
        if replicas == FEW:
            _run(environment, "down", "swarm")
    listed = _run(environment, "ps", "swarm")
    shrunk = _run(environment, "scale", "a=1")
    _run(environment, "down", "swarm")
    return [
        Row(
            name=f"{MANY:,} Python pods, all running",
            unit="s",
            value=times[MANY],
            bound=Bound(SWARM_S, at_least=False),
        ),
        Row(
            name=f"one Python pod of {MANY:,}, against one of {FEW}",
            unit="ms",
            value=times[MANY] / MANY * 1e3,
            baseline=times[FEW] / FEW * 1e3,
            bound=Bound(1.5, at_least=False),
            note="cost per pod is the same however many there are",
        ),
        Row(name=f"podnet ps of {MANY:,} pods", unit="s", value=listed),
        Row(name=f"podnet scale from {MANY:,} pods to 1", unit="s", value=shrunk),
    ]


def _run(environment: dict[str, str], *arguments: str) -> float:
    """Run a command that must succeed; return its time in seconds."""
    return time_s([*PODNET, *arguments], environment)


@contextmanager
def _state() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="pn") as state:
        environment = installed(os.environ, state)
        try:
            yield environment
        finally:
            for name in ("shop", "swarm"):
                if (Path(state) / name).exists():
                    _run(environment, "down", name)
