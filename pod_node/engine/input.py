"""What the node tells a process: its input, what is typed at its terminal, signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod_node.engine.stdio import HostInput
from pod_node.terminal import Modes

if TYPE_CHECKING:
    from pod_node.engine.process import KernelProcess
    from pod_node.engine.surroundings import Surroundings
    from pod_node.executing import WindowSize

_ECHO, _ICANON, _ISIG = 1, 2, 4


class EngineInput:
    """The host's end of a process's standard input, and its terminal if it has one."""

    def __init__(self, around: Surroundings, process: KernelProcess) -> None:
        self._around = around
        self._process = process
        self._input = HostInput(around, process.input)

    @property
    def pid(self) -> int:
        """Its number in the pod."""
        return self._process.pid

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

    def signal(self, number: int) -> None:
        """Send it and its descendants a signal; nothing happens when it has ended.

        Raises:
            OSError: there is no such signal (EINVAL).
        """
        self._around.signals.send(self._process, number, session=True)
