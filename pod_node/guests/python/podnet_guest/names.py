"""Names for addresses, services, protocols and interfaces: the resolver part of `socket`.

Names of hosts are asked of the network's own name service, one question each time, so that the
rotating order of a service's replicas shows; names outside are the gateway's to know. There is no
IPv6. An address leads back to every name that the pod can look up, the pod's own first, then those
of this address alone.
"""

from errno import ENODEV, ENOENT, ETIMEDOUT

from podnet_guest import linux
from podnet_guest.c_socket import c_socket
from podnet_guest.control import ask, os_error, read_net

LOCALHOST = "127.0.0.1"
ANY = "0.0.0.0"
SERVICES = {
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "pop3": 110,
    "ntp": 123, "imap2": 143, "snmp": 161, "ldap": 389, "https": 443, "submission": 587,
    "ldaps": 636, "imaps": 993, "pop3s": 995, "mysql": 3306, "postgresql": 5432, "amqp": 5672,
    "redis": 6379, "http-alt": 8080,
}  # fmt: skip
PROTOCOLS = {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17, "ipv6": 41, "ipv6-icmp": 58}
KINDS = (
    (linux.SOCK_STREAM, linux.IPPROTO_TCP),
    (linux.SOCK_DGRAM, linux.IPPROTO_UDP),
    (linux.SOCK_RAW, linux.IPPROTO_IP),
)
STREAM_ONLY = [(linux.SOCK_STREAM, linux.IPPROTO_TCP)]
RESOLVER_ERRORS = {
    linux.EAI_AGAIN: "Temporary failure in name resolution",
    linux.EAI_BADFLAGS: "Bad value for ai_flags",
    linux.EAI_NONAME: "Name or service not known",
    linux.EAI_FAMILY: "ai_family not supported",
    linux.EAI_SOCKTYPE: "ai_socktype not supported",
    linux.EAI_SERVICE: "Servname not supported for ai_socktype",
    linux.EAI_ADDRFAMILY: "Address family for hostname not supported",
}
LOOKUP_ERRORS = {ENOENT: linux.EAI_NONAME, ETIMEDOUT: linux.EAI_AGAIN}
PORT_MOST = 0xFFFF

Host = str | bytes | bytearray | None
Service = str | bytes | int | None
AddressInfo = tuple[int, int, int, str, tuple[str, int]]


def resolver_error(code: int) -> OSError:
    """Build the `gaierror` of a code, with glibc's words."""
    return c_socket.gaierror(code, RESOLVER_ERRORS[code])


def parse_ipv4(text: str) -> str | None:
    """Return the text when it is a dotted address, None when it is a name."""
    if not text[-1:].isdigit():
        return None
    try:
        c_socket.inet_pton(c_socket.AF_INET, text)
    except OSError:
        return None
    return text


def lookup(name: str) -> list[str]:
    """Return the addresses of a host name, the first to be used first."""
    name = name.removesuffix(".")
    if name == "localhost":
        return [LOCALHOST]
    if not name or any(character in "/ \n\0" for character in name):
        raise resolver_error(linux.EAI_NONAME)
    try:
        return ask("dns " + name).split()
    except OSError as error:
        if error.errno not in LOOKUP_ERRORS:
            raise
        raise resolver_error(LOOKUP_ERRORS[error.errno]) from None


def host_text(host: Host) -> str:
    """Return a host as text, as the C module takes it apart."""
    if host is None:
        return ""
    if isinstance(host, str):
        return host if host.isascii() else host.encode("idna").decode("ascii")
    if isinstance(host, bytes | bytearray):
        return bytes(host).decode("ascii")
    raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")


def resolve(host: Host) -> str:
    """Return the one address that `bind`, `connect` and `gethostbyname` use."""
    text = host_text(host)
    if not text:
        return ANY
    if text == "<broadcast>":
        return "255.255.255.255"
    return parse_ipv4(text) or lookup(text)[0]


def getaddrinfo(
    host: Host,
    port: Service,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[AddressInfo]:
    """Translate a host and a service into addresses to bind or connect to."""
    if host is None and port is None:
        raise resolver_error(linux.EAI_NONAME)
    if family not in (linux.AF_UNSPEC, linux.AF_INET, linux.AF_INET6):
        raise resolver_error(linux.EAI_FAMILY)
    number = service_number(port, flags)
    kinds = kinds_of(type, proto)
    addresses = host_addresses(host, flags)
    if family == linux.AF_INET6:
        raise resolver_error(linux.EAI_ADDRFAMILY)
    canonical = host_text(host) if flags & linux.AI_CANONNAME else ""
    answers: list[AddressInfo] = []
    for address in addresses:
        for kind, protocol in kinds:
            answers.append((linux.AF_INET, kind, protocol, canonical, (address, number)))
            canonical = ""
    return answers


def host_addresses(host: Host, flags: int) -> list[str]:
    """Return the addresses that a host given to `getaddrinfo` stands for."""
    if host is None:
        return [ANY if flags & linux.AI_PASSIVE else LOCALHOST]
    text = host_text(host)
    if parse_ipv4(text):
        return [text]
    if flags & linux.AI_NUMERICHOST:
        raise resolver_error(linux.EAI_NONAME)
    return lookup(text)


def kinds_of(type: int, proto: int) -> list[tuple[int, int]]:
    """Return the socket types and protocols that a caller of `getaddrinfo` asked for."""
    if type == linux.SOCK_STREAM and proto in (0, linux.IPPROTO_TCP):
        return STREAM_ONLY
    kinds = [
        (kind, proto if kind == linux.SOCK_RAW else protocol)
        for kind, protocol in KINDS
        if type in (0, kind) and (proto in (0, protocol) or kind == linux.SOCK_RAW)
    ]
    if not kinds:
        raise resolver_error(linux.EAI_SOCKTYPE)
    return kinds


def service_number(port: Service, flags: int) -> int:
    """Return the port that a number, a numeral or the name of a service stands for."""
    if port is None:
        return 0
    if isinstance(port, int):
        return port & PORT_MOST
    text = port.decode("ascii") if isinstance(port, bytes) else port
    if text.isascii() and text.isdigit():
        if int(text) > PORT_MOST:
            raise resolver_error(linux.EAI_SERVICE)
        return int(text)
    if flags & linux.AI_NUMERICSERV:
        raise resolver_error(linux.EAI_NONAME)
    if text not in SERVICES:
        raise resolver_error(linux.EAI_SERVICE)
    return SERVICES[text]


def getnameinfo(sockaddr: tuple[str, int], flags: int, /) -> tuple[str, str]:
    """Translate an address into a host and a service."""
    host, port = sockaddr[0], sockaddr[1]
    address = parse_ipv4(host) or lookup(host)[0]
    names = [] if flags & linux.NI_NUMERICHOST else names_of(address)
    if not names and flags & linux.NI_NAMEREQD:
        raise resolver_error(linux.EAI_NONAME)
    service = None if flags & linux.NI_NUMERICSERV else service_name(port)
    return names[0] if names else address, service or str(port)


def names_of(address: str) -> list[str]:
    """Return the names that lead to an address; none is no error."""
    try:
        return ask("reverse " + address).split()
    except OSError as error:
        if error.errno != ENOENT:
            raise
        return []


def service_name(port: int) -> str | None:
    """Return the name of the service that is usually on a port."""
    return next((name for name, number in SERVICES.items() if number == port), None)


def gethostbyname(hostname: Host, /) -> str:
    """Return the address of a host."""
    return resolve(hostname)


def gethostbyname_ex(hostname: Host, /) -> tuple[str, list[str], list[str]]:
    """Return a host's name, its aliases (none) and its addresses."""
    text = host_text(hostname)
    return text, [], [text] if parse_ipv4(text) else lookup(text)


def gethostbyaddr(ip_address: Host, /) -> tuple[str, list[str], list[str]]:
    """Return the name of an address, its other names, and the address."""
    address = resolve(ip_address)
    names = names_of(address)
    if not names:
        raise c_socket.herror(1, "Unknown host")
    return names[0], names[1:], [address]


def gethostname() -> str:
    """Return the pod's name."""
    return read_net("hostname").strip()


def interfaces() -> list[list[str]]:
    """Return the interfaces as the kernel lists them: name, address with prefix, network."""
    return [line.split() for line in read_net("interfaces").splitlines()]


def if_nameindex() -> list[tuple[int, str]]:
    """Return the interfaces with their numbers."""
    return [(index, interface[0]) for index, interface in enumerate(interfaces(), start=1)]


def if_nametoindex(name: str, /) -> int:
    """Return the number of an interface."""
    for index, known in if_nameindex():
        if known == name:
            return index
    raise OSError(ENODEV, "no interface with this name")


def if_indextoname(index: int, /) -> str:
    """Return the name of an interface."""
    for known, name in if_nameindex():
        if known == index:
            return name
    raise os_error(ENODEV)


def getservbyname(servicename: str, protocolname: str = "tcp", /) -> int:
    """Return the port of a service."""
    if servicename not in SERVICES or protocolname not in ("tcp", "udp"):
        raise OSError("service/proto not found")
    return SERVICES[servicename]


def getservbyport(port: int, protocolname: str = "tcp", /) -> str:
    """Return the service of a port."""
    if not 0 <= port <= PORT_MOST:
        raise OverflowError("getservbyport: port must be 0-65535.")
    name = service_name(port)
    if name is None or protocolname not in ("tcp", "udp"):
        raise OSError("port/proto not found")
    return name


def getprotobyname(name: str, /) -> int:
    """Return the number of a protocol."""
    if name not in PROTOCOLS:
        raise OSError("protocol not found")
    return PROTOCOLS[name]
