"""A program that the node runs in a pod: its standard streams, its terminal, how it ends."""

from __future__ import annotations

import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pod_node.engine.stdio import HostInput, HostOutput
from pod_node.terminal import Modes

if TYPE_CHECKING:
    from pod_node.engine.process import KernelProcess
    from pod_node.engine.surroundings import Surroundings
    from pod_node.executing import WindowSize
    from pod_node.runtime import OnExit, OnOutput
    from pod_node.spec import PodExit

_ECHO, _ICANON, _ISIG = 1, 2, 4
_NO_DESCRIPTOR = 0xFFFFFFFF


class EngineProcess:
    """A process that the node runs in a pod: its standard streams, signals, and how it ends."""

    def __init__(
        self,
        around: Surroundings,
        process: KernelProcess,
        on_output: OnOutput,
        on_exit: OnExit,
    ) -> None:
        self._around = around
        self._process = process
        self._on_exit = on_exit
        self._input = HostInput(around, process.input)
        self._outputs = [
            HostOutput(around, descriptor, partial(on_output, number))
            for number, descriptor in ((1, process.output), (2, process.error))
            if descriptor != _NO_DESCRIPTOR  # a terminal has one output
        ]

    @property
    def pid(self) -> int:
        """Its number in the pod."""
        return self._process.pid

    def listen(self) -> None:
        """Pass on its output from now on."""
        for output in self._outputs:
            output.arm()

    async def write(self, data: bytes) -> None:
        """Give it bytes to read; returns when all are taken, or when it reads no more."""
        await self._input.write(data)

    def write_nowait(self, data: bytes) -> None:
        """Give it bytes to read; what finds no room is lost."""
        self._input.write_nowait(data)

    def end_input(self) -> None:
        """Let it read the end of its input."""
        self._input.close()

    def type_end(self) -> None:
        """Let one read of its terminal find the end."""
        self._input.type_end()

    def modes(self) -> Modes:
        """Say how its terminal is to treat keys."""
        flags = self._around.fabric.try_call("host_terminal_flags", self._process.number)
        if flags < 0:  # it has ended
            return Modes()
        return Modes(bool(flags & _ECHO), bool(flags & _ICANON), bool(flags & _ISIG))

    def resize(self, window: WindowSize) -> None:
        """Give its terminal's window another size; nothing happens when it has ended."""
        number, size = self._process.number, (window.rows, window.columns)
        self._around.fabric.try_call("host_terminal_resize", number, *size)

    def hold_output(self) -> None:
        """Pass on no output for now."""
        for output in self._outputs:
            output.hold()

    def go_on_with_output(self) -> None:
        """Pass on output again."""
        for output in self._outputs:
            output.go_on()

    def signal(self, number: int) -> None:
        """Send it and its descendants a signal; nothing happens when it has ended.

        Raises:
            OSError: there is no such signal (EINVAL).
        """
        self._around.signals.send(self._process, number, session=True)

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
        self._input.close()
        for output in self._outputs:
            output.close()
