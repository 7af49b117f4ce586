"""`_socket.socket` for guests: a TCP stream over a file of `/net`.

Subclasses the C type of the build, which keeps what it does well: the descriptor, the time-out with
its O_NONBLOCK, `close`, `detach`. Bytes move by `read` and `write` on the descriptor, because the
build numbers descriptors itself and translates them in every call but those of sockets. A time-out
is a deadline for the whole call, as in the C module.

A byte is tried first and waited for after: a poll before each read would double the cost.
"""

from errno import EAFNOSUPPORT, EAGAIN, EINPROGRESS, EINVAL, ENOTSUP, EPROTONOSUPPORT
from posix import O_RDWR, read, readv, write, writev
from posix import open as open_file
from select import POLLIN, POLLOUT, poll
from time import monotonic

from podnet_guest import linux
from podnet_guest.c_socket import c_socket
from podnet_guest.control import ask, ask_endpoint, open_net, os_error, socket_id, tell
from podnet_guest.names import ANY, PORT_MOST, resolve
from podnet_guest.options import Memory, get_option, packed, set_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from _typeshed import ReadableBuffer as Buffer

    Address = tuple[object, ...] | str | Buffer
    Ancillary = list[tuple[int, int, bytes]]

    Argument = TypeVar("Argument")
    Result = TypeVar("Result")

NO_DATAGRAMS = "Protocol not supported: datagram sockets do not exist in a pod yet; use SOCK_STREAM"
TYPE_FLAGS = linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC
HALVES = {linux.SHUT_RD: "r", linux.SHUT_WR: "w", linux.SHUT_RDWR: "rw"}
IGNORED_RECEIVE = linux.MSG_NOSIGNAL | linux.MSG_CMSG_CLOEXEC
IGNORED_SEND = linux.MSG_NOSIGNAL | linux.MSG_MORE | linux.MSG_EOR | linux.MSG_DONTROUTE
SOCKET_BY_ID = 1 << 30
"""Added to a socket's id, gives what the kernel takes for its descriptor in socket calls."""

_base = c_socket.socket
_descriptor_of = _base.fileno
_timeout_of = _base.gettimeout

_accepted: dict[int, int] = {}
"""Ids of sockets between `_accept` and the making of their object, by descriptor."""


class socket(_base):
    """A TCP socket of the pod's network."""

    __slots__ = ("_accept_path", "_id", "_options")

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        nonblocking = False
        if fileno is None:
            family, type = check_kind(family, type, proto)
            nonblocking = bool(type & linux.SOCK_NONBLOCK)
            type &= ~TYPE_FLAGS
            fileno = open_net("tcp/socket")
        else:
            self._id = _accepted.pop(fileno, 0) or check_socket(fileno)
            family = linux.AF_INET if family == -1 else family
            type = linux.SOCK_STREAM if type == -1 else type
        _base.__init__(self, family, type, max(proto, 0), fileno)
        if nonblocking:
            self.settimeout(0.0)

    def _kernel_id(self) -> int:
        try:
            return self._id
        except AttributeError:
            self._id = socket_id(_descriptor_of(self))
            return self._id

    # --- addresses ------------------------------------------------------------------------------

    def bind(self, address: "Address", /) -> None:
        """Give the socket its local address."""
        host, port = endpoint(address, "bind")
        tell(f"bind {self._kernel_id()} {host} {port}")

    def listen(self, backlog: int = 128, /) -> None:
        """Have the kernel accept connections, up to `backlog` before `accept` takes them."""
        tell(f"listen {self._kernel_id()} {max(backlog, 0)}")
        self._accept_path = f"/net/tcp/accept/{self._id}"

    def _accept(self) -> tuple[int, tuple[str, int]]:
        try:
            path = self._accept_path
        except AttributeError:
            path = f"/net/tcp/accept/{self._kernel_id()}"
        deadline = None
        while True:
            try:
                descriptor = open_file(path, O_RDWR)
                break
            except BlockingIOError:
                deadline = self._wait(POLLIN, deadline)
            except OSError as error:
                raise os_error(error.errno or 0) from None
        _accepted[descriptor] = identity = socket_id(descriptor)
        try:
            return descriptor, ask_endpoint(f"remote {identity}")
        except OSError:
            return descriptor, (ANY, 0)  # it was reset while it waited here

    def connect(self, address: "Address", /) -> None:
        """Connect; with a time-out, wait no longer than that."""
        host, port = endpoint(address, "connect")
        try:
            tell(f"connect {self._kernel_id()} {host} {port}")
        except OSError as error:
            if error.errno != EINPROGRESS or not _timeout_of(self):
                raise
            self._wait(POLLOUT, None)
            pending = int(ask(f"error {self._id}"))
            if pending:
                raise os_error(pending) from None

    def connect_ex(self, address: "Address", /) -> int:
        """Connect, and return an errno instead of raising it."""
        host, port = endpoint(address, "connect_ex")
        try:
            self.connect((host, port))
        except TimeoutError as error:
            return error.errno or EAGAIN
        except OSError as error:
            return error.errno or 0
        return 0

    def getsockname(self) -> tuple[str, int] | str:
        """Return the local address."""
        if self.family == linux.AF_UNIX:
            return ""
        return ask_endpoint(f"local {self._kernel_id()}")

    def getpeername(self) -> tuple[str, int] | str:
        """Return the peer's address."""
        if self.family == linux.AF_UNIX:
            return ""
        return ask_endpoint(f"remote {self._kernel_id()}")

    # --- receiving ------------------------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive up to `bufsize` bytes; none at the end of the stream."""
        if flags:
            return self._receive_with_flags(bufsize, flags)
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        deadline = None
        while True:
            try:
                return read(_descriptor_of(self), bufsize)
            except BlockingIOError:
                deadline = self._wait(POLLIN, deadline)

    def recv_into(self, buffer: "Buffer", nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer and return how many bytes came."""
        if nbytes or flags:
            view = memoryview(buffer).cast("B")
            if nbytes < 0:
                raise ValueError("negative buffersize in recv_into")
            if nbytes > len(view):
                raise ValueError("buffer too small for requested bytes")
            view = view[: nbytes or len(view)]
            if flags:
                received = self._receive_with_flags(len(view), flags)
                view[: len(received)] = received
                return len(received)
            buffer = view
        deadline = None
        while True:
            try:
                return readv(_descriptor_of(self), (buffer,))
            except BlockingIOError:
                deadline = self._wait(POLLIN, deadline)

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, None]:
        """Receive; a stream names no sender."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        return self.recv(bufsize, flags), None

    def recvfrom_into(self, buffer: "Buffer", nbytes: int = 0, flags: int = 0) -> tuple[int, None]:
        """Receive into a buffer; a stream names no sender."""
        return self.recv_into(buffer, nbytes, flags), None

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, "Ancillary", int, None]:
        """Receive; there is no ancillary data."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        return self.recv(bufsize, flags), [], 0, None

    def recvmsg_into(
        self, buffers: "Iterable[Buffer]", ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, "Ancillary", int, None]:
        """Receive into several buffers in turn; there is no ancillary data."""
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        received = self.recv(sum(map(len, views)), flags)
        rest = memoryview(received)
        for view in views:
            part = rest[: len(view)]
            view[: len(part)] = part
            rest = rest[len(part) :]
        return len(received), [], 0, None

    def _receive_with_flags(self, bufsize: int, flags: int) -> bytes:
        flags &= ~IGNORED_RECEIVE
        if flags & ~(linux.MSG_PEEK | linux.MSG_WAITALL | linux.MSG_DONTWAIT):
            raise OSError(ENOTSUP, f"unsupported flags for receiving: {flags:#x}")
        receive = self._peek if flags & linux.MSG_PEEK else self.recv
        if flags & linux.MSG_DONTWAIT:
            return self._without_waiting(receive, bufsize)
        if flags & linux.MSG_WAITALL and receive == self.recv:
            return self._receive_all(bufsize)
        return receive(bufsize)

    def _receive_all(self, bufsize: int) -> bytes:
        parts: list[bytes] = []
        while bufsize and (part := self.recv(bufsize)):
            parts.append(part)
            bufsize -= len(part)
        return b"".join(parts)

    def _peek(self, bufsize: int) -> bytes:
        by_id = open_by_id(self._kernel_id())
        deadline = None
        try:
            while True:
                try:
                    return by_id.recv(bufsize, c_socket.MSG_PEEK)
                except BlockingIOError:
                    deadline = self._wait(POLLIN, deadline)
        finally:
            by_id.detach()

    # --- sending --------------------------------------------------------------------------------

    def send(self, data: "Buffer", flags: int = 0, /) -> int:
        """Send what there is room for and return how much that was."""
        if flags & ~IGNORED_SEND:
            return self._send_with_flags(data, flags)
        deadline = None
        while True:
            try:
                return write(_descriptor_of(self), data)
            except BlockingIOError:
                deadline = self._wait(POLLOUT, deadline)

    def sendall(self, data: "Buffer", flags: int = 0, /) -> None:
        """Send all of it."""
        if flags & ~IGNORED_SEND:
            raise OSError(ENOTSUP, f"unsupported flags for sending: {flags:#x}")
        rest = data if type(data) is bytes else memoryview(data).cast("B")
        descriptor = _descriptor_of(self)
        deadline = None
        while True:
            try:
                sent = write(descriptor, rest)
            except BlockingIOError:
                deadline = self._wait(POLLOUT, deadline)
            else:
                if sent == len(rest):
                    return
                rest = memoryview(rest)[sent:]

    def sendto(self, data: "Buffer", flags: "int | Address", address: "Address" = (), /) -> int:
        """Send; a stream has its receiver already, so an address is not looked at."""
        return self.send(data, flags if isinstance(flags, int) else 0)

    def sendmsg(
        self,
        buffers: "Iterable[Buffer]",
        ancdata: "Iterable[object]" = (),
        flags: int = 0,
        address: object = None,
        /,
    ) -> int:
        """Send several buffers; ancillary data does not exist here."""
        if tuple(ancdata):
            raise OSError(EINVAL, "ancillary data is not supported")
        buffers = tuple(buffers)
        if flags & ~IGNORED_SEND:
            return self._send_with_flags(b"".join(buffers), flags)
        deadline = None
        while True:
            try:
                return writev(_descriptor_of(self), buffers) if buffers else 0
            except BlockingIOError:
                deadline = self._wait(POLLOUT, deadline)

    def _send_with_flags(self, data: "Buffer", flags: int) -> int:
        if flags & ~(IGNORED_SEND | linux.MSG_DONTWAIT):
            raise OSError(ENOTSUP, f"unsupported flags for sending: {flags:#x}")
        return self._without_waiting(self.send, data)

    # --- the rest -------------------------------------------------------------------------------

    def shutdown(self, how: int, /) -> None:
        """End one direction, or both."""
        if how not in HALVES:
            raise os_error(EINVAL)
        tell(f"shutdown {self._kernel_id()} {HALVES[how]}")

    def setsockopt(  # type: ignore[override]  # its overloads say less
        self, level: int, optname: int, value: int | bytes | None, optlen: int | None = None, /
    ) -> None:
        """Set an option."""
        set_option(self._kernel_id(), self._remembered(), (level, optname), value)

    def getsockopt(  # type: ignore[override]  # its overloads say less
        self, level: int, optname: int, buflen: int = 0, /
    ) -> int | bytes:
        """Return an option, as packed C integers when `buflen` is given."""
        values = get_option(self._kernel_id(), self._remembered(), (level, optname))
        return packed(values, buflen) if buflen else values[0]

    def _remembered(self) -> Memory:
        try:
            return self._options
        except AttributeError:
            self._options: Memory = {}
            return self._options

    def _wait(self, event: int, deadline: float | None) -> float:
        """Wait until the socket is ready and return the deadline of the whole call.

        Raises:
            BlockingIOError: the socket is not to wait.
            TimeoutError: the deadline has passed.
        """
        timeout = _timeout_of(self)
        if not timeout:
            raise os_error(EAGAIN)
        now = monotonic()
        if deadline is None:
            deadline = now + timeout
        poller = poll()
        poller.register(_descriptor_of(self), event)
        if deadline < now or not poller.poll((deadline - now) * 1000):
            raise TimeoutError("timed out")
        return deadline

    def _without_waiting(
        self, call: "Callable[[Argument], Result]", argument: "Argument"
    ) -> "Result":
        if _timeout_of(self) is not None:
            return call(argument)  # a time-out comes before the flag, as in the C module
        self.settimeout(0.0)
        try:
            return call(argument)
        finally:
            self.settimeout(None)


def open_by_id(identity: int) -> _base:
    """Make the C socket object that reaches `sock_recv`, the only call that can peek.

    It must not be closed, only detached: its number is no descriptor of this process.
    """
    default = c_socket.getdefaulttimeout()
    c_socket.setdefaulttimeout(None)  # or the C type would set O_NONBLOCK on that number
    try:
        return _base(linux.AF_INET, linux.SOCK_STREAM, 0, SOCKET_BY_ID | identity)
    finally:
        c_socket.setdefaulttimeout(default)


def check_kind(family: int, type: int, proto: int) -> tuple[int, int]:
    """Refuse the kinds of sockets that do not exist here, and fill in the usual ones."""
    family = linux.AF_INET if family == -1 else family
    type = linux.SOCK_STREAM if type == -1 else type
    if family != linux.AF_INET:
        raise os_error(EAFNOSUPPORT)
    if type & ~TYPE_FLAGS == linux.SOCK_DGRAM:
        raise OSError(EPROTONOSUPPORT, NO_DATAGRAMS)
    if type & ~TYPE_FLAGS != linux.SOCK_STREAM or proto not in (-1, 0, linux.IPPROTO_TCP):
        raise os_error(EPROTONOSUPPORT)
    return family, type


def check_socket(descriptor: int) -> int:
    """Return the id of the socket behind a descriptor that a program brought."""
    identity = socket_id(descriptor)
    tell(f"local {identity}")
    return identity


def endpoint(address: "Address", call: str) -> tuple[str, int]:
    """Take an address apart, look up its host and check its port."""
    if not isinstance(address, tuple):
        raise TypeError(f"{call}(): AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError(f"{call}(): AF_INET address must be a pair (host, port)")
    host, port = address
    if not isinstance(port, int):
        raise TypeError(f"{type(port).__name__!r} object cannot be interpreted as an integer")
    if not 0 <= port <= PORT_MOST:
        raise OverflowError(f"{call}(): port must be 0-65535.")
    return resolve(host), port  # type: ignore[arg-type]  # `resolve` refuses other types
