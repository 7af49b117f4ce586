"""What is typed at a process's terminal, carried through its line discipline."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from pod_node.terminal import Echo, End, Ready, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod_node.runtime import ProcessInput
    from pod_node.terminal import LineDiscipline


def type_keys(
    data: bytes,
    discipline: LineDiscipline,
    process: ProcessInput,
    show: Callable[[bytes], None],
) -> None:
    """Type what keys sent; what finds no room is lost, as on a terminal. `show` has the echo."""
    for effect in discipline.type(data, process.modes()):
        match effect:
            case Echo(seen):
                show(seen)
            case Ready(line):
                process.write_nowait(line)
            case End():
                process.type_end()
            case Signal(number):
                process.signal(number)
            case _:
                assert_never(effect)
