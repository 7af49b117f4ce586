"""A program that the node runs in a pod: its standard streams, its terminal, how it ends."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from pod_node.engine.input import EngineInput
from pod_node.engine.stdio import host_outputs

if TYPE_CHECKING:
    from pod_node.engine.process import KernelProcess
    from pod_node.engine.surroundings import Surroundings
    from pod_node.runtime import OnExit, OnOutput
    from pod_node.spec import PodExit


class EngineProcess(EngineInput):
    """A process that the node runs in a pod: its standard streams, signals, and how it ends."""

    def __init__(
        self,
        around: Surroundings,
        process: KernelProcess,
        on_output: OnOutput,
        on_exit: OnExit,
    ) -> None:
        super().__init__(around, process)
        self._on_exit = on_exit
        self._outputs = host_outputs(around, process, on_output)

    def listen(self) -> None:
        """Pass on its output from now on."""
        for output in self._outputs:
            output.arm()

    def hold_output(self) -> None:
        """Pass on no output for now."""
        for output in self._outputs:
            output.hold()

    def go_on_with_output(self) -> None:
        """Pass on output again."""
        for output in self._outputs:
            output.go_on()

    def kill(self) -> None:
        """End it and its descendants at once."""
        with suppress(OSError):
            self._around.signals.send(self._process, signal.SIGKILL, session=True)

    def ended(self, outcome: PodExit) -> None:
        """Take how it ended; what it started may still hold its streams, and loses them."""
        try:
            for output in self._outputs:
                output.drain()
        finally:
            self.give_back()
            self._on_exit(outcome)

    def give_back(self) -> None:
        """Close the host's ends of its streams."""
        self.end_input()
        for output in self._outputs:
            output.close()
