"""Many CPython pods, each an HTTP server: what each costs, and whether more make it dearer."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.bare import BareFigures, BareRun, serve_bare
from tests.bench.images import BUILT, built_python
from tests.bench.node import PodNode
from tests.bench.requests import Program
from tests.bench.rows import Bound, Row
from tests.bench.worker import Worker

FEW, PODS, MANY = 20, 200, 400
PORT = 8000
SERVER = Program(("http_server.py", str(PORT)))


@dataclass(frozen=True, slots=True)
class _Cost:
    """What each of some pods took, on average."""

    cpu_ms: float
    resident_mb: float
    proportional_mb: float


def _costs() -> dict[int, _Cost]:
    """Boot servers up to each count, in a node that is warm, and ask all of them once."""
    costs: dict[int, _Cost] = {}
    with PodNode() as node:
        node.boot([SERVER])
        cpu_s = node.cpu_seconds()
        resident, proportional = node.memory_bytes("Rss"), node.memory_bytes("Pss")
        addresses: list[str] = []
        for count in (FEW, PODS, MANY):
            addresses += node.boot([SERVER] * (count - len(addresses)))
            costs[count] = _Cost(
                (node.cpu_seconds() - cpu_s) * 1e3 / count,
                (node.memory_bytes("Rss") - resident) / 1e6 / count,
                (node.memory_bytes("Pss") - proportional) / 1e6 / count,
            )
        sweep = ("http_client.py", "sweep", addresses[0], str(MANY), str(PORT))
        (answered,) = node.run_program(Program(sweep))
        assert answered["requests"] == MANY
    return costs


def _built_memory_mb() -> float:
    """Memory that each pod of the built image takes, the same way."""
    with PodNode(built_python()) as node:
        node.boot([SERVER])
        proportional = node.memory_bytes("Pss")
        node.boot([SERVER] * PODS)
        return (node.memory_bytes("Pss") - proportional) / 1e6 / PODS


def _bare_cpu_ms() -> float:
    """CPU time of a bare run that imports what the server does and ends where it would listen."""
    run = BareRun(("/bench/http_server.py", "-"))
    total = 0.0
    with Worker(serve_bare) as bare:
        bare.ask(run)
        for _ in range(PODS):
            figures = bare.ask(run)
            assert isinstance(figures, BareFigures)
            total += figures.cpu_s
    return total * 1e3 / PODS


def measure() -> list[Row]:
    bare_cpu_ms = _bare_cpu_ms()
    costs = _costs()
    few, cost, many = costs[FEW], costs[PODS], costs[MANY]
    return [
        Row(
            name=f"{PODS} CPython pods serving, CPU time each",
            unit="ms",
            value=cost.cpu_ms,
            baseline=bare_cpu_ms,
            bound=Bound(1.3, at_least=False),
            note=(
                "boot until all listen; baseline: as many bare runs one after the other, of the "
                "same file up to where it would listen, then os._exit"
            ),
        ),
        Row(
            name=f"{PODS} CPython pods serving, resident memory each",
            unit="MB",
            value=cost.proportional_mb,
            bound=Bound(6.0, at_least=False),
            note="growth of the node's Pss: pages that pods share count once",
        ),
        Row(
            name=f"the same, image {BUILT}",
            unit="MB",
            value=_built_memory_mb(),
            baseline=cost.proportional_mb,
            bound=Bound(1.0, at_least=False),
            note="growth of the node's Pss; baseline: the shipped image",
        ),
        Row(
            name="of the shipped image, shared pages counted for each pod",
            unit="MB",
            value=cost.resident_mb,
            note="growth of the node's Rss",
        ),
        _growth("CPU time", "ms", many.cpu_ms, few.cpu_ms),
        _growth("resident memory", "MB", many.proportional_mb, few.proportional_mb),
    ]


def _growth(what: str, unit: str, many: float, few: float) -> Row:
    return Row(
        name=f"{what} of a CPython pod, of {MANY} against of {FEW}",
        unit=unit,
        value=many,
        baseline=few,
        bound=Bound(1.25, at_least=False),
        note="average over the pods so far; a ratio of 1 is a linear cost",
    )
