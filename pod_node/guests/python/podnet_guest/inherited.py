"""Descriptors that a process was given by its parent, under the numbers that the parent named.

The kernel has them under those numbers already, and a C library that numbers as the kernel does has
nothing to do. An interpreter that numbers descriptors itself counts upwards: it is made to count to
each.
"""

from errno import EBADF
from posix import O_RDWR, _exit, close, fstat, write
from posix import open as open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

ERRORS = 2
CANNOT_START = 126
"""As a shell has it for a program that is there and cannot be run."""


def settle(numbers: "Sequence[int]") -> None:
    """Have each descriptor under its number, or end the process: the program relies on them."""
    if is_known(numbers[0]):
        return
    latest = open_file("/proc/null", O_RDWR)
    placeholders = [latest]
    for number in sorted(numbers):
        while latest < number - 1:
            latest = open_file("/proc/null", O_RDWR)
            placeholders.append(latest)
        latest = open_file(f"/proc/take/{number}", O_RDWR)
        if latest != number:
            refuse(number, latest)
    for placeholder in placeholders:
        close(placeholder)


def refuse(number: int, own: int) -> "NoReturn":
    """End the process."""
    message = (
        f"cannot start: the descriptor {number} of pass_fds would be {own} in a new process; "
        "open a few other files before it\n"
    )
    write(ERRORS, message.encode())
    _exit(CANNOT_START)


def is_known(number: int) -> bool:
    """Tell whether the interpreter's C library has a descriptor with this number."""
    try:
        fstat(number)
    except OSError as error:
        return error.errno != EBADF
    return True
