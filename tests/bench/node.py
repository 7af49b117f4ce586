"""The handle of a process that runs programs as pods: what the measures ask.

The process holds one node's runtime and nothing else of the benchmark, so its CPU time and memory
are those of a node with these pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.bench.cases import Case, Report
from tests.bench.pods import serve_pods
from tests.bench.requests import (
    PYTHON,
    Boot,
    BootAndEnd,
    BootAndKill,
    CaptureScene,
    ConfigureNetwork,
    CountPythonCalls,
    FabricBytes,
    PacerUsage,
    Program,
    RunCase,
    RunProgram,
    RunScene,
)
from tests.bench.worker import Worker
from vnet.capture import CapturedPacket
from vnet.configuration import NetworkConfiguration
from vnet.polling import choose_polling


class PodNode(Worker):
    """The handle of such a process."""

    def __init__(self, python: str = PYTHON) -> None:
        """Start it; Python programs will run on the image `python`."""
        environment: dict[str, str] = {}
        choose_polling(environment)  # as a node process has it
        super().__init__(partial(serve_pods, python), environment)

    def run(self, case: Case, captured_link: str | None = None) -> list[Report]:
        return self._reports(RunCase(case, captured_link))

    def run_program(self, program: Program) -> list[Report]:
        return self._reports(RunProgram(program))

    def run_scene(self, scene: RunScene) -> list[Report]:
        return self._reports(scene)

    def boot(self, programs: Sequence[Program]) -> list[str]:
        addresses = self.ask(Boot(tuple(programs)))
        assert isinstance(addresses, list)
        return addresses

    def boot_and_end(self, program: Program) -> float:
        seconds = self.ask(BootAndEnd(program))
        assert isinstance(seconds, float)
        return seconds

    def boot_and_kill(self, program: Program) -> float:
        seconds = self.ask(BootAndKill(program))
        assert isinstance(seconds, float)
        return seconds

    def fabric_bytes(self) -> int:
        count = self.ask(FabricBytes())
        assert isinstance(count, int)
        return count

    def configure_network(self, configuration: NetworkConfiguration) -> None:
        self.ask(ConfigureNetwork(configuration))

    def pacer_usage(self) -> tuple[float, int]:
        usage = self.ask(PacerUsage())
        assert isinstance(usage, tuple)
        cpu_s, packets = usage
        return cpu_s, packets

    def capture_scene(self, scene: RunScene) -> list[CapturedPacket]:
        packets = self.ask(CaptureScene(scene))
        assert isinstance(packets, list)
        return packets

    def count_python_calls(self, case: Case) -> int:
        calls = self.ask(CountPythonCalls(case))
        assert isinstance(calls, int)
        return calls

    def _reports(self, request: object) -> list[Report]:
        answer = self.ask(request)
        assert isinstance(answer, list)
        return answer
