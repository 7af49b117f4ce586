"""Processes for CPython: what `os`, `subprocess` and `signal` are made of where there is no fork.

Owns the guest's descriptors of `/proc/ctl`, the requests to spawn, and the numbers of Linux for
statuses and options. A process is made by the kernel from a request (docs/processes.md); nothing
of the parent's memory goes to it. This interpreter numbers descriptors itself, so the kernel's
number of one is asked for when it is needed.
"""

import os
import posix
from errno import ECHILD, EINTR, EINVAL, ENOENT, ENOTSUP, ESRCH
from posix import O_RDONLY, O_RDWR, O_WRONLY, close, environ, fstat, read, strerror, write
from posix import open as open_file

from podnet_guest import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPLY_SIZE = 64
WNOHANG = 1
WUNTRACED = 2
WCONTINUED = 8
NULL = "/proc/null"


def command(text: str) -> bytes:
    """Have the kernel carry out a command and return its answer, also after signals (PEP 475)."""
    control = signals.control()
    while True:
        try:
            write(control, text.encode())
        except InterruptedError:
            signals.deliver()
        else:
            return read(control, REPLY_SIZE)


def kernel_number(descriptor: int) -> int:
    """Return the kernel's number of a descriptor.

    The kernel remembers whose facts were asked for last. A file inside of the interpreter's own
    image is none of its, and has no number.
    """
    fstat(descriptor)
    return int(command("asked"))


def pipe() -> tuple[int, int]:
    """Make a pipe; return its reading and its writing end."""
    reader = open_file("/proc/pipe", O_RDONLY)
    try:
        return reader, open_file(f"/proc/pipe/{kernel_number(reader)}", O_WRONLY)
    except OSError:
        close(reader)
        raise


def dup(fd: int, /) -> int:
    """Return another descriptor for the same open file."""
    return open_file(f"/proc/fd/{kernel_number(fd)}", O_RDWR)


def status_field(name: str) -> int:
    """Return a number of this process's status."""
    descriptor = open_file("/proc/self/status", O_RDONLY)
    try:
        lines = read(descriptor, 512).decode().splitlines()
    finally:
        close(descriptor)
    return int(next(line for line in lines if line.startswith(name + ":")).split()[1])


_inheritable: dict[int, tuple[int, int]] = {}
"""What `set_inheritable` has named, and which file that was: numbers come again."""


def get_inheritable(fd: int, /) -> bool:
    """Tell whether children get a descriptor that nobody closes for them."""
    return _inheritable.get(fd) == _identity(fd)


def set_inheritable(fd: int, inheritable: int, /) -> None:
    """Have children get a descriptor that nobody closes for them, or not."""
    identity = _identity(fd)
    if inheritable:
        _inheritable[fd] = identity
    else:
        _inheritable.pop(fd, None)


def _identity(fd: int) -> tuple[int, int]:
    facts = fstat(fd)
    return facts.st_dev, facts.st_ino


def _all_inheritable() -> set[int]:
    for fd in list(_inheritable):
        try:
            if not get_inheritable(fd):
                del _inheritable[fd]
        except OSError:
            del _inheritable[fd]
    return set(_inheritable)


_own_number = 0


def getpid() -> int:
    """Return the number of this process in its pod."""
    global _own_number
    if not _own_number:
        _own_number = status_field("Pid")
    return _own_number


def getppid() -> int:
    """Return the number of the parent; 1 when that has ended."""
    return status_field("PPid")


def kill(pid: int, signal: int, /) -> None:
    """Send a process a signal."""
    if pid <= 0:
        raise OSError(ENOTSUP, "pods have no process groups")
    number = int(signal)
    if number < 0:
        raise OSError(EINVAL, strerror(EINVAL))
    try:
        command(f"kill {pid} {number}")
    except OSError as error:
        if error.errno == ESRCH:
            raise ProcessLookupError(ESRCH, strerror(ESRCH)) from None
        raise OSError(error.errno, strerror(error.errno or EINVAL)) from None
    if pid == getpid():
        signals.deliver()


def waitpid(pid: int, options: int, /) -> tuple[int, int]:
    """Wait for a child, or with -1 for any: its number and its status."""
    if pid == 0 or pid < -1:
        raise OSError(ENOTSUP, "pods have no process groups")
    try:
        child, status = command(f"wait {max(pid, 0)} {options & WNOHANG}").split()
    except OSError as error:
        number = error.errno or ECHILD
        raise OSError(number, strerror(number)) from None
    if not options & WNOHANG:
        signals.deliver()  # Ctrl-C is for both, and the child may have ended first
    return int(child), int(status)


def wait() -> tuple[int, int]:
    """Wait for any child."""
    return waitpid(-1, 0)


def waitstatus_to_exitcode(status: int) -> int:
    """Return an exit status, or the negative number of the signal that ended a process."""
    return -WTERMSIG(status) if WIFSIGNALED(status) else WEXITSTATUS(status)


def WIFEXITED(status: int) -> bool:
    """Tell whether a process ended by itself."""
    return status & 0x7F == 0


def WEXITSTATUS(status: int) -> int:
    """Return the exit status of a process that ended by itself."""
    return status >> 8 & 0xFF


def WIFSIGNALED(status: int) -> bool:
    """Tell whether a signal ended a process."""
    return status & 0x7F != 0


def WTERMSIG(status: int) -> int:
    """Return the signal that ended a process."""
    return status & 0x7F


def WIFSTOPPED(status: int) -> bool:
    """Say no: no process is ever stopped."""
    return False


def WIFCONTINUED(status: int) -> bool:
    """Say no: no process is ever stopped."""
    return False


def WSTOPSIG(status: int) -> int:
    """Return what would have stopped a process."""
    return status >> 8 & 0xFF


def WCOREDUMP(status: int) -> bool:
    """Say no: there are no core dumps."""
    return False


def pidfd_open(pid: int, flags: int = 0) -> int:
    """Return a descriptor that is readable once a process has ended."""
    try:
        return open_file(f"/proc/{pid}/exit", O_RDONLY)
    except FileNotFoundError:
        raise ProcessLookupError(ESRCH, strerror(ESRCH)) from None


def get_terminal_size(fd: int = 1, /) -> "os.terminal_size":
    """Return the size of the terminal's window."""
    descriptor = open_file("/proc/tty", O_RDONLY)
    try:
        rows, columns = read(descriptor, REPLY_SIZE).split()[:2]
    finally:
        close(descriptor)
    return os.terminal_size((int(columns), int(rows)))


def spawn(
    arguments: "Sequence[bytes]",
    environment: "Sequence[bytes] | None",
    folder: bytes,
    descriptors: "Sequence[tuple[int, int]]",
) -> int:
    """Start a program of the image in a process of its own; return its number.

    Args:
        arguments: The first is the program.
        environment: As NAME=VALUE; None is this process's own.
        folder: Where it starts.
        descriptors: Pairs of its number and of ours.
    """
    if environment is None:
        environment = [name + b"=" + value for name, value in environ.items()]
    variables = [b"e" + one for one in environment if not one.startswith(b"PWD=")]
    numbers = [b"f%d %d" % (child, kernel_number(own)) for child, own in descriptors]
    records = [*(b"a" + one for one in arguments), *variables, b"e", b"d" + folder, *numbers]
    descriptor = open_file("/proc/spawn", O_RDWR)
    try:
        request = b"".join(record + b"\0" for record in records)
        while request:
            request = request[write(descriptor, request) :]
        return int(read(descriptor, REPLY_SIZE))
    finally:
        close(descriptor)


def fork_exec(
    args: "Sequence[bytes]",
    executable_list: "Sequence[bytes]",
    close_fds: bool,
    pass_fds: "tuple[int, ...]",
    cwd: "bytes | str | None",
    env: "Sequence[bytes] | None",
    p2cread: int,
    p2cwrite: int,
    c2pread: int,
    c2pwrite: int,
    errread: int,
    errwrite: int,
    errpipe_read: int,
    errpipe_write: int,
    *more: object,
) -> int:
    """Stand for `_posixsubprocess.fork_exec`: same arguments, and failures are raised at once."""
    if any(callable(argument) for argument in more):
        raise OSError(ENOTSUP, "preexec_fn is not possible: nothing is forked")
    folder = os.path.abspath(os.fsencode(cwd) if cwd is not None else b".")
    if folder != b"/":
        os.stat(folder)
    program = executable_list[0] if executable_list else args[0]
    descriptors = [
        (child, own) for child, own in ((0, p2cread), (1, c2pwrite), (2, errwrite)) if own >= 0
    ]
    kept = set(pass_fds) if close_fds else set(pass_fds) | _all_inheritable()
    descriptors += [(fd, fd) for fd in sorted(kept) if fd > 2 and fd != errpipe_write]
    words = [os.path.basename(program), *list(args)[1:]]
    try:
        return spawn([os.fsencode(word) for word in words], env, folder, descriptors)
    except OSError as error:
        number = error.errno or ENOENT
        if number == EINTR:
            raise
        raise OSError(number, strerror(number), os.fsdecode(args[0])) from None


_CALLS = (
    pipe,
    dup,
    get_inheritable,
    set_inheritable,
    getpid,
    getppid,
    kill,
    waitpid,
    wait,
    waitstatus_to_exitcode,
    WIFEXITED,
    WEXITSTATUS,
    WIFSIGNALED,
    WTERMSIG,
    WIFSTOPPED,
    WIFCONTINUED,
    WSTOPSIG,
    WCOREDUMP,
    pidfd_open,
    get_terminal_size,
)


def install() -> None:
    """Put the calls into `os` and `posix`."""
    for module in (os, posix):
        for call in _CALLS:
            setattr(module, call.__name__, call)
        vars(module).update(WNOHANG=WNOHANG, WUNTRACED=WUNTRACED, WCONTINUED=WCONTINUED)


def adjust_subprocess(run: "Callable[[], None]") -> None:
    """Run the code of `subprocess` as on a system that has processes."""
    import selectors  # noqa: F401  # loaded under the system's own name
    import sys
    import threading  # noqa: F401

    from podnet_guest import posix_subprocess

    sys.modules["_posixsubprocess"] = posix_subprocess
    platform = sys.platform
    sys.platform = "linux"
    try:
        run()
    finally:
        sys.platform = platform
    sys.modules["subprocess"].Popen._get_devnull = _get_devnull


def _get_devnull(self: object) -> int:
    """Return the descriptor that stands for DEVNULL."""
    if not hasattr(self, "_devnull"):
        self._devnull = open_file(NULL, O_RDWR)  # type: ignore[attr-defined]
    number: int = self._devnull  # type: ignore[attr-defined]
    return number
