"""An interactive interpreter at a pod's terminal: `podnet shell`.

That of the build reads in C, where no handler of a signal can run while it waits; this one is the
standard library's `code`, reading for itself.
"""

import code
import os
import select
import sys

from podnet_guest.signals import deliver

LINE_SIZE = 4096


class Console(code.InteractiveConsole):
    """Reads lines from the terminal; an interrupt at the prompt is a KeyboardInterrupt."""

    def __init__(self) -> None:
        super().__init__({"__name__": "__main__", "__doc__": None}, "<stdin>")
        self._typed = b""
        self._keys = select.poll()
        self._keys.register(0, select.POLLIN)

    def raw_input(self, prompt: str = "") -> str:
        """Ask for a line."""
        sys.stdout.write(prompt)
        sys.stdout.flush()
        try:
            while b"\n" not in self._typed:
                self._read()
        except KeyboardInterrupt:
            self._typed = b""
            raise
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode(errors="replace")

    def _read(self) -> None:
        while not self._keys.poll():
            deliver()
        data = os.read(0, LINE_SIZE)
        if not data and not self._typed:
            raise EOFError
        self._typed += data or b"\n"


def main() -> None:
    """Talk until the end of input."""
    for name in ("LINES", "COLUMNS"):  # the window may change its size
        os.environ.pop(name, None)
    Console().interact(banner="", exitmsg="")


if __name__ == "__main__":
    main()
