"""Transactions with the kernel over `/net/ctl`, and the files of `/net`.

Owns the guest's one descriptor of the control file and the shape of errors: an `OSError` of a
socket call carries an errno and its text, and no file name. Knows no socket semantics.
"""

from posix import O_RDWR, fstat, read, strerror, write
from posix import open as open_file

REPLY_SIZE = 4096
"""More than the kernel's longest reply."""

_control = -1


def os_error(number: int) -> OSError:
    """Build the `OSError` subclass that stands for an errno."""
    return OSError(number, strerror(number))


def tell(command: str) -> None:
    """Have the kernel carry out a command that has no answer."""
    global _control
    if _control < 0:
        _control = open_net("ctl")
    write(_control, command.encode())


def ask(command: str) -> str:
    """Have the kernel carry out a command and return its answer."""
    tell(command)
    return read(_control, REPLY_SIZE).decode()


def ask_endpoint(command: str) -> tuple[str, int]:
    """Return the answer to `local ID` or `remote ID` as Python shows an address."""
    address, port = ask(command).split()
    return address, int(port)


def open_net(path: str, flags: int = O_RDWR) -> int:
    """Open a file below `/net`."""
    try:
        return open_file("/net/" + path, flags)
    except OSError as error:
        raise os_error(error.errno or 0) from None


def read_net(path: str) -> str:
    """Return the whole text of a small file below `/net`."""
    with open("/net/" + path, encoding="ascii") as file:
        return file.read()


def socket_id(descriptor: int) -> int:
    """Return the kernel's id of the socket behind a descriptor."""
    return fstat(descriptor).st_ino
