"""Standard input from a terminal: what waits for keys is ended by a signal.

The interpreter's own reading goes on after a signal, and its handler runs when a line has come;
nobody would be heard who interrupts a program that asks for one. So `sys.stdin` waits by `poll`
here, and `input` reads from it.
"""

import builtins
import sys
from io import BufferedReader, FileIO, TextIOWrapper
from select import POLLIN, poll

from podnet_guest.adjustments import wait_for_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 4096


class Keyboard(FileIO):
    """The descriptor of standard input; handlers of signals run while it is waited for."""

    def __init__(self) -> None:
        super().__init__(0, "r", closefd=False)
        self._keys = poll()
        self._keys.register(0, POLLIN)

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        """Read what there is, and wait for that."""
        wait_for_any(self._keys.poll, None)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        """Read until the end."""
        parts = []
        piece = bytearray(PIECE)
        while count := self.readinto(piece):
            parts.append(bytes(piece[:count]))
        return b"".join(parts)


def input(prompt: object = "", /) -> str:
    """Read a line from standard input, without its end."""
    if sys.stdin is None or sys.stdout is None:
        raise RuntimeError("input(): lost sys.stdin or sys.stdout")
    sys.stdout.write(str(prompt))
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")


def install() -> None:
    """Take the place of the interpreter's standard input."""
    raw = Keyboard()
    vars(raw)["name"] = "<stdin>"  # as the interpreter has it
    before = sys.stdin
    after = TextIOWrapper(BufferedReader(raw), before.encoding, before.errors, line_buffering=True)
    vars(after)["mode"] = "r"
    sys.stdin = sys.__stdin__ = after  # type: ignore[misc]
    vars(builtins)["input"] = input
