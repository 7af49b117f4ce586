"""`_socket.socket` for guests: a TCP stream or a UDP socket over a file of `/net`.

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
from podnet_guest.datagrams import TO_PEER, Received, header_to, open_by_id, receive, send
from podnet_guest.names import ANY, LOCALHOST, PORT_MOST, resolve
from podnet_guest.options import Memory, get_option, packed, set_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from _typeshed import ReadableBuffer as Buffer

    Address = tuple[object, ...] | str | Buffer
    Ancillary = list[tuple[int, int, bytes]]
    Sender = tuple[str, int] | None

    Argument = TypeVar("Argument")
    Result = TypeVar("Result")

TYPE_FLAGS = linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC
HALVES = {linux.SHUT_RD: "r", linux.SHUT_WR: "w", linux.SHUT_RDWR: "rw"}
PROTOCOLS = {linux.SOCK_STREAM: linux.IPPROTO_TCP, linux.SOCK_DGRAM: linux.IPPROTO_UDP}
FOLDERS = {linux.SOCK_STREAM: "tcp", linux.SOCK_DGRAM: "udp"}
"""Where below `/net` sockets of each type are."""
IGNORED_RECEIVE = linux.MSG_NOSIGNAL | linux.MSG_CMSG_CLOEXEC
IGNORED_SEND = linux.MSG_NOSIGNAL | linux.MSG_MORE | linux.MSG_EOR | linux.MSG_DONTROUTE
_base = c_socket.socket
_descriptor_of = _base.fileno
_timeout_of = _base.gettimeout

_accepted: dict[int, int] = {}
"""Ids of sockets between `_accept` and the making of their object, by descriptor."""


class socket(_base):
    """A TCP or UDP socket of the pod's network."""

    __slots__ = ("_accept_path", "_id", "_options")

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        nonblocking = False
        if fileno is None:
            family, type = check_kind(family, type, proto)
            nonblocking = bool(type & linux.SOCK_NONBLOCK)
            type &= ~TYPE_FLAGS
            fileno = open_net(f"{FOLDERS[type]}/socket")
        else:
            self._id = _accepted.pop(fileno, 0) or check_socket(fileno)
            family = linux.AF_INET if family == -1 else family
            type = type_of(self._id) if type == -1 else type
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

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, "Sender"]:
        """Receive, and say from whom; a stream names no sender."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        if self.type != linux.SOCK_DGRAM:
            return self.recv(bufsize, flags), None
        return self._receive_datagram(bufsize, flags)[:2]

    def recvfrom_into(
        self, buffer: "Buffer", nbytes: int = 0, flags: int = 0
    ) -> tuple[int, "Sender"]:
        """Receive into a buffer, and say from whom; a stream names no sender."""
        if self.type != linux.SOCK_DGRAM:
            return self.recv_into(buffer, nbytes, flags), None
        view = memoryview(buffer).cast("B")
        if nbytes < 0:
            raise ValueError("negative buffersize in recvfrom_into")
        if nbytes > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        received, sender, _ = self._receive_datagram(nbytes or len(view), flags)
        view[: len(received)] = received
        return len(received), sender

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, "Ancillary", int, "Sender"]:
        """Receive; there is no ancillary data."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        if self.type != linux.SOCK_DGRAM:
            return self.recv(bufsize, flags), [], 0, None
        received, sender, seen = self._receive_datagram(bufsize, flags)
        return received, [], seen, sender

    def recvmsg_into(
        self, buffers: "Iterable[Buffer]", ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, "Ancillary", int, "Sender"]:
        """Receive into several buffers in turn; there is no ancillary data."""
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        received, _, seen, sender = self.recvmsg(sum(map(len, views)), ancbufsize, flags)
        rest = memoryview(received)
        for view in views:
            part = rest[: len(view)]
            view[: len(part)] = part
            rest = rest[len(part) :]
        return len(received), [], seen, sender

    def _receive_with_flags(self, bufsize: int, flags: int) -> bytes:
        if self.type == linux.SOCK_DGRAM:
            return self._receive_datagram(bufsize, flags)[0]
        flags = checked_flags(flags)
        receive = self._peek if flags & linux.MSG_PEEK else self.recv
        if flags & linux.MSG_DONTWAIT:
            return self._without_waiting(receive, bufsize)
        if flags & linux.MSG_WAITALL and receive == self.recv:
            return self._receive_all(bufsize)
        return receive(bufsize)

    def _receive_datagram(self, bufsize: int, flags: int) -> Received:
        flags = checked_flags(flags)
        waiting = self._take_datagram if flags & linux.MSG_PEEK == 0 else self._peek_datagram
        if flags & linux.MSG_DONTWAIT:
            return self._without_waiting(waiting, bufsize)
        return waiting(bufsize)

    def _take_datagram(self, bufsize: int, flags: int = 0) -> Received:
        deadline = None
        while True:
            try:
                return receive(self._kernel_id(), bufsize, flags)
            except BlockingIOError:
                deadline = self._wait(POLLIN, deadline)

    def _peek_datagram(self, bufsize: int) -> Received:
        return self._take_datagram(bufsize, c_socket.MSG_PEEK)

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
        """Send to an address; a stream has its receiver already, so there it is not looked at."""
        if not isinstance(flags, int):
            return self.sendto(data, 0, flags)
        if self.type != linux.SOCK_DGRAM:
            return self.send(data, flags)
        if flags & ~(IGNORED_SEND | linux.MSG_DONTWAIT):
            raise OSError(ENOTSUP, f"unsupported flags for sending: {flags:#x}")
        return send(self._kernel_id(), header_to(*endpoint(address, "sendto")), data)

    def sendmsg(
        self,
        buffers: "Iterable[Buffer]",
        ancdata: "Iterable[object]" = (),
        flags: int = 0,
        address: "Address | None" = None,
        /,
    ) -> int:
        """Send several buffers; ancillary data does not exist here."""
        if tuple(ancdata):
            raise OSError(EINVAL, "ancillary data is not supported")
        buffers = tuple(buffers)
        if self.type == linux.SOCK_DGRAM:
            return self._send_datagram(b"".join(buffers), flags, address)
        if flags & ~IGNORED_SEND:
            return self._send_with_flags(b"".join(buffers), flags)
        deadline = None
        while True:
            try:
                return writev(_descriptor_of(self), buffers) if buffers else 0
            except BlockingIOError:
                deadline = self._wait(POLLOUT, deadline)

    def _send_datagram(self, data: bytes, flags: int, address: "Address | None") -> int:
        if address is not None:
            return self.sendto(data, flags, address)
        if flags & ~(IGNORED_SEND | linux.MSG_DONTWAIT):
            raise OSError(ENOTSUP, f"unsupported flags for sending: {flags:#x}")
        return send(self._kernel_id(), TO_PEER, data)

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
        return packed((level, optname), values, buflen) if buflen else values[0]

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


def check_kind(family: int, type: int, proto: int) -> tuple[int, int]:
    """Refuse the kinds of sockets that do not exist here, and fill in the usual ones."""
    family = linux.AF_INET if family == -1 else family
    type = linux.SOCK_STREAM if type == -1 else type
    if family != linux.AF_INET:
        raise os_error(EAFNOSUPPORT)
    protocol = PROTOCOLS.get(type & ~TYPE_FLAGS)
    if protocol is None or proto not in (-1, 0, protocol):
        raise os_error(EPROTONOSUPPORT)
    return family, type


def type_of(identity: int) -> int:
    """Return the type of the socket with this id."""
    return int(ask(f"get {identity} type"))


def duplicate(descriptor: int) -> int:
    """Open another descriptor for the same socket."""
    identity = socket_id(descriptor)
    return open_net(f"{FOLDERS[type_of(identity)]}/dup/{identity}")


def datagram_pair(family: int, type: int, proto: int) -> tuple[socket, socket]:
    """Make two datagram sockets that have each other as their peer."""
    descriptors = [open_net("udp/socket"), open_net("udp/socket")]
    ids = [socket_id(descriptor) for descriptor in descriptors]
    for identity in ids:
        tell(f"bind {identity} {LOCALHOST} 0")
    for identity, other in zip(ids, reversed(ids), strict=True):
        tell(f"connect {identity} {ask(f'local {other}')}")
    first, second = (socket(family, type, proto, descriptor) for descriptor in descriptors)
    return first, second


def checked_flags(flags: int) -> int:
    """Return the flags for receiving without those that mean nothing here."""
    flags &= ~IGNORED_RECEIVE
    if flags & ~(linux.MSG_PEEK | linux.MSG_WAITALL | linux.MSG_DONTWAIT):
        raise OSError(ENOTSUP, f"unsupported flags for receiving: {flags:#x}")
    return flags


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
