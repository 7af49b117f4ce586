"""Socket options by level and name.

Three kinds: those that the kernel knows, by its word for them; those that a network without
segments gives no meaning, which are remembered so that a program reads back what it set; and all
others, which Linux refuses with ENOPROTOOPT and so do we.
"""

from errno import EDOM, EINVAL, ENOPROTOOPT, ENOTSUP

from podnet_guest import linux
from podnet_guest.control import ask, os_error, tell

INT_SIZE = 4
SO_NO_CHECK = 11
"""Linux's, which `socket` does not name."""

Option = tuple[int, int]
"""Level and name."""
Memory = dict[Option, int]
"""Values of options without meaning, as a socket remembers them."""

KERNEL = {
    (linux.SOL_SOCKET, linux.SO_REUSEADDR): "reuseaddr",
    (linux.SOL_SOCKET, linux.SO_TYPE): "type",
    (linux.SOL_SOCKET, linux.SO_BROADCAST): "broadcast",
    (linux.SOL_SOCKET, linux.SO_SNDBUF): "sndbuf",
    (linux.SOL_SOCKET, linux.SO_RCVBUF): "rcvbuf",
    (linux.SOL_SOCKET, linux.SO_KEEPALIVE): "keepalive",
    (linux.SOL_SOCKET, linux.SO_REUSEPORT): "reuseport",
    (linux.SOL_SOCKET, linux.SO_ACCEPTCONN): "acceptconn",
    (linux.SOL_SOCKET, linux.SO_PROTOCOL): "protocol",
    (linux.SOL_SOCKET, SO_NO_CHECK): "nocheck",
    (linux.SOL_TCP, linux.TCP_NODELAY): "nodelay",
    (linux.SOL_TCP, linux.TCP_KEEPIDLE): "keepidle",
    (linux.SOL_TCP, linux.TCP_KEEPINTVL): "keepintvl",
    (linux.SOL_TCP, linux.TCP_KEEPCNT): "keepcnt",
}
REMEMBERED = {
    (linux.SOL_SOCKET, linux.SO_DONTROUTE): 0,
    (linux.SOL_SOCKET, linux.SO_OOBINLINE): 0,
    (linux.SOL_SOCKET, linux.SO_PRIORITY): 0,
    (linux.SOL_IP, linux.IP_TOS): 0,
    (linux.SOL_IP, linux.IP_TTL): 64,
    (linux.SOL_IP, linux.IP_MULTICAST_TTL): 1,
    (linux.SOL_IP, linux.IP_MULTICAST_LOOP): 1,
    (linux.SOL_IP, linux.IP_MULTICAST_IF): 0,
    (linux.SOL_TCP, linux.TCP_CORK): 0,
    (linux.SOL_TCP, linux.TCP_SYNCNT): 6,
    (linux.SOL_TCP, linux.TCP_LINGER2): 60,
    (linux.SOL_TCP, linux.TCP_DEFER_ACCEPT): 0,
    (linux.SOL_TCP, linux.TCP_QUICKACK): 1,
    (linux.SOL_TCP, linux.TCP_USER_TIMEOUT): 0,
    (linux.SOL_TCP, linux.TCP_FASTOPEN): 0,
    (linux.SOL_TCP, linux.TCP_NOTSENT_LOWAT): -1,
}
READ_ONLY = {"type", "acceptconn", "protocol"}
TIMEOUTS = {
    (linux.SOL_SOCKET, linux.SO_RCVTIMEO): "rcvtimeo",
    (linux.SOL_SOCKET, linux.SO_SNDTIMEO): "sndtimeo",
}
"""In milliseconds for the kernel, a `struct timeval` for programs."""
MILLISECONDS_MOST = (1 << 31) - 1
MEMBERSHIPS = {
    (linux.SOL_IP, linux.IP_ADD_MEMBERSHIP),
    (linux.SOL_IP, linux.IP_DROP_MEMBERSHIP),
}
NO_MULTICAST = "Operation not supported: there is no multicast in a pod's networks"
LINGER = (linux.SOL_SOCKET, linux.SO_LINGER)
ERROR = (linux.SOL_SOCKET, linux.SO_ERROR)
FIXED = {
    (linux.SOL_SOCKET, linux.SO_DOMAIN): linux.AF_INET,
}


def set_option(socket_id: int, memory: Memory, option: Option, value: object) -> None:
    """Do what `setsockopt` does."""
    if option == LINGER:
        on, seconds = integers(value, 2)
        tell(f"set {socket_id} linger {seconds if on else -1}")
        return
    if option in MEMBERSHIPS:
        raise OSError(ENOTSUP, NO_MULTICAST)
    if option in TIMEOUTS:
        tell(f"set {socket_id} {TIMEOUTS[option]} {milliseconds(value)}")
        return
    (number,) = integers(value, 1)
    word = KERNEL.get(option)
    if option in REMEMBERED:
        memory[option] = number
    elif word is None or word in READ_ONLY:
        raise os_error(ENOPROTOOPT)
    else:
        tell(f"set {socket_id} {word} {number}")


def get_option(socket_id: int, memory: Memory, option: Option) -> tuple[int, ...]:
    """Return an option as the integers that it is made of."""
    if option == LINGER:
        seconds = int(ask(f"get {socket_id} linger"))
        return (1, seconds) if seconds >= 0 else (0, 0)
    if option in TIMEOUTS:
        timeout = int(ask(f"get {socket_id} {TIMEOUTS[option]}"))
        return timeout // 1000, timeout % 1000 * 1000
    if option == ERROR:
        return (int(ask(f"error {socket_id}")),)
    if option in REMEMBERED:
        return (memory.get(option, REMEMBERED[option]),)
    if option in FIXED:
        return (FIXED[option],)
    if option not in KERNEL:
        raise os_error(ENOPROTOOPT)
    return (int(ask(f"get {socket_id} {KERNEL[option]}")),)


def integers(value: object, count: int) -> list[int]:
    """Take apart what a program gave to `setsockopt`: a number, or packed C integers."""
    if isinstance(value, int):
        if count != 1:
            raise os_error(EINVAL)
        return [int(value)]
    return unpacked(buffer_of(value), count, INT_SIZE)


def milliseconds(value: object) -> int:
    """Take apart a `struct timeval`, whose members have 64 bits, or 32 as a C long has here."""
    if isinstance(value, int):
        raise os_error(EINVAL)
    packed = buffer_of(value)
    size = 2 * INT_SIZE if len(packed) >= 4 * INT_SIZE else INT_SIZE
    seconds, microseconds = unpacked(packed, 2, size)
    if not 0 <= microseconds < 1_000_000:
        raise os_error(EDOM)
    if seconds < 0:
        return 1
    return min(seconds * 1000 + -(-microseconds // 1000), MILLISECONDS_MOST)


def buffer_of(value: object) -> bytes:
    """Return the bytes of a packed option."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"a bytes-like object is required, not {type(value).__name__!r}")
    return bytes(value)


def unpacked(packed: bytes, count: int, size: int) -> list[int]:
    """Return the first C integers of an option, of `size` bytes each."""
    if len(packed) < size * count:
        raise os_error(EINVAL)
    return [
        int.from_bytes(packed[at : at + size], "little", signed=True)
        for at in range(0, size * count, size)
    ]


def packed(option: Option, values: tuple[int, ...], size: int) -> bytes:
    """Give the integers of an option as C sees them, cut to the caller's buffer."""
    width = 2 * INT_SIZE if option in TIMEOUTS and size >= 4 * INT_SIZE else INT_SIZE
    return b"".join(value.to_bytes(width, "little", signed=True) for value in values)[:size]
