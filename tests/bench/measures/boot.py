"""How long a CPython pod takes to its first printed line."""

from __future__ import annotations

from functools import partial

from tests.bench.bare import BareFigures, BareRun, serve_bare
from tests.bench.images import built_python
from tests.bench.node import PodNode
from tests.bench.requests import PYTHON, Program
from tests.bench.rows import Bound, Row
from tests.bench.sampling import alternate
from tests.bench.worker import Worker

ROUNDS = 20
ARGUMENTS = ("-c", "print('up')")


def measure() -> list[Row]:
    return [_measure_image(image) for image in (PYTHON, built_python())]


def _measure_image(image: str) -> Row:
    with PodNode(image) as node, Worker(partial(serve_bare, image=image)) as bare:

        def boot_pod() -> float:
            return node.boot_and_end(Program(("python", *ARGUMENTS))) * 1e3

        def run_bare() -> float:
            figures = bare.ask(BareRun(ARGUMENTS))
            assert isinstance(figures, BareFigures)
            return figures.first_line_s * 1e3

        boot_pod()
        run_bare()
        samples = alternate(boot_pod, run_bare, ROUNDS)
    return samples.row(
        name=f"CPython pod, image {image}, boot to first line",
        unit="ms",
        bound=Bound(1.2, at_least=False),
        note=(
            "python -c \"print('up')\", warm, with a root over the image's files, which is made "
            "first; baseline: Store, WasiConfig, Linker.instantiate "
            "and _start of the same module in wasmtime, in a process that has done so before"
        ),
    )
