"""The module `_socket` of a guest: what the standard library's `socket` is made of.

Served under that name by `sitecustomize`. Owns the module's functions that are neither names nor
sockets, and gathers the rest.
"""

from errno import EAFNOSUPPORT
from posix import close  # noqa: F401

from podnet_guest import linux
from podnet_guest.c_socket import c_socket
from podnet_guest.control import open_net, os_error, socket_id
from podnet_guest.linux import *  # noqa: F403
from podnet_guest.names import (  # noqa: F401
    getaddrinfo,
    gethostbyaddr,
    gethostbyname,
    gethostbyname_ex,
    gethostname,
    getnameinfo,
    getprotobyname,
    getservbyname,
    getservbyport,
    if_indextoname,
    if_nameindex,
    if_nametoindex,
)
from podnet_guest.socket_type import datagram_pair, duplicate, socket

SocketType = socket
has_ipv6 = False
error = OSError
timeout = TimeoutError
gaierror = c_socket.gaierror
herror = c_socket.herror
getdefaulttimeout = c_socket.getdefaulttimeout
setdefaulttimeout = c_socket.setdefaulttimeout
htonl, htons = c_socket.htonl, c_socket.htons
ntohl, ntohs = c_socket.ntohl, c_socket.ntohs
inet_aton = c_socket.inet_aton
INVALID_ADDRESS = "illegal IP address string passed to inet_pton"


def inet_pton(address_family: int, ip_string: str, /) -> bytes:
    """Turn the text of an address into bytes."""
    if address_family == linux.AF_INET:
        return c_socket.inet_pton(c_socket.AF_INET, ip_string)
    if address_family != linux.AF_INET6:
        raise os_error(EAFNOSUPPORT)
    if ":" not in ip_string:
        raise OSError(INVALID_ADDRESS)
    from ipaddress import IPv6Address  # large, and wanted by few

    try:
        return IPv6Address(ip_string).packed
    except ValueError:
        raise OSError(INVALID_ADDRESS) from None


def inet_ntop(address_family: int, packed_ip: bytes, /) -> str:
    """Turn the bytes of an address into text."""
    if address_family == linux.AF_INET:
        return c_socket.inet_ntop(c_socket.AF_INET, packed_ip)
    if address_family != linux.AF_INET6:
        raise ValueError(f"unknown address family {address_family}")
    if len(packed_ip) != 16:
        raise ValueError("invalid length of packed IP address string")
    from ipaddress import IPv6Address  # large, and wanted by few

    return str(IPv6Address(bytes(packed_ip)))


def inet_ntoa(packed_ip: bytes, /) -> str:
    """Turn the four bytes of an address into text."""
    if len(packed_ip) != 4:
        raise OSError("packed IP wrong length")
    return inet_ntop(linux.AF_INET, packed_ip)


def socketpair(
    family: int = linux.AF_UNIX, type: int = linux.SOCK_STREAM, proto: int = 0, /
) -> tuple[socket, socket]:
    """Make two connected sockets; those of AF_UNIX are TCP or UDP inside."""
    if family not in (linux.AF_UNIX, linux.AF_INET):
        raise os_error(EAFNOSUPPORT)
    if type & linux.SOCK_DGRAM:
        return datagram_pair(family, type, proto)
    first = open_net("tcp/pair")
    second = open_net(f"tcp/pair/{socket_id(first)}")
    return socket(family, type, proto, first), socket(family, type, proto, second)


def dup(fd: int, /) -> int:
    """Open another descriptor for the same socket."""
    return duplicate(fd)
