"""A DNS query as bytes in, the answer as bytes out.

An authoritative server without recursion (RFC 1034, 1035) for what a deployment publishes, and for
names outside that a pod may reach, which get the addresses that stand for them. Known names have A
records only; PTR leads back. Messages over UDP that do not fit are truncated (RFC 2181 9), with
EDNS as large as the asker takes (RFC 6891). ANY is refused (RFC 8482 4 leaves the choice).

Pods' names end with their network, or with nothing, so each network's name is a zone, and the root
is the zone of all the rest. Negative answers carry the zone's SOA (RFC 2308).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

if TYPE_CHECKING:
    from vnet.names.directory import Directory

HEADER_BYTES = 12
UDP_BYTES = 512
"""RFC 1035 4.2.1: what every asker takes."""
EDNS_BYTES = 1232
"""What the DNS flag day of 2020 settled on: no path fragments it."""
TCP_BYTES = 65_535
INSIDE_TTL_S = 1
"""Replicas come and go."""
OUTSIDE_TTL_S = 60
ADDRESSES_MOST = 256
"""Of one name in one answer; they come in rotating order."""
SERVER_LABEL = "dns"
"""`dns.NETWORK` is the server's own name, unless a service has it."""


class Transport(Enum):
    """How a query came."""

    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The network that a server answers on."""

    network: str
    server: IPv4Address


External = Callable[[IPv4Address, str], IPv4Address | None]
"""Gives the address that stands for a name outside to a pod, which its address tells; None when the
pod may not reach it."""
NetworksOf = Callable[[IPv4Address], Iterable[str]]
"""Tells on which networks the pod is that has an address."""


class Answerer:
    """Answers queries that come to one network's server."""

    def __init__(
        self, directory: Directory, zone: Zone, networks_of: NetworksOf, external: External
    ) -> None:
        """Answer from a directory.

        Args:
            directory: The published names.
            zone: The server's network and address.
            networks_of: Tells what else than the server's network a pod can see.
            external: Knows names outside.
        """
        self._directory, self._zone = directory, zone
        self._networks_of, self._external = networks_of, external

    def answer(self, wire: bytes, source: IPv4Address, transport: Transport) -> bytes | None:
        """Answer one message; None when it deserves no answer.

        Args:
            wire: The message, which may be anything.
            source: Who sent it.
            transport: How, which bounds the answer's size.
        """
        if len(wire) < HEADER_BYTES or wire[2] & 0x80:
            return None  # answering what is no query would let two servers talk for ever
        if wire[2] >> 3 & 0xF != dns.opcode.QUERY:
            return _bare(wire, dns.rcode.NOTIMP)
        try:
            query = dns.message.from_wire(wire, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            return _bare(wire, dns.rcode.FORMERR)
        if len(query.question) != 1:
            return _bare(wire, dns.rcode.FORMERR)
        response = dns.message.make_response(query, our_payload=EDNS_BYTES)
        if query.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        else:
            self._fill(response, query.question[0], source)
        return _encoded(response, _room(query, transport))

    def _fill(
        self, response: dns.message.Message, asked: dns.rrset.RRset, source: IPv4Address
    ) -> None:
        if asked.rdclass != dns.rdataclass.IN or dns.rdatatype.is_metatype(asked.rdtype):
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        networks = dict.fromkeys([self._zone.network, *self._networks_of(source)])
        text = asked.name.to_text(omit_final_dot=True).lower()
        origin = _zone_of(text, networks)
        found = self._find(asked.name, text, networks, source)
        if text == origin:
            found = {**self._apex(), **(found or {})}
        if found is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype in found:
            ttl, values = found[asked.rdtype]
            response.answer.append(_records(asked.name, ttl, asked.rdtype, values))
            return
        response.authority.append(
            _records(_dotted(origin), INSIDE_TTL_S, dns.rdatatype.SOA, [self._soa()])
        )

    def _find(
        self, name: dns.name.Name, text: str, networks: Iterable[str], source: IPv4Address
    ) -> _Found | None:
        """Return what is known of a name; None when there is no such name."""
        if name.is_subdomain(dns.reversename.ipv4_reverse_domain):
            return self._reverse(name, networks)
        addresses = self._addresses(text, networks)
        if addresses:
            return {dns.rdatatype.A: (INSIDE_TTL_S, [str(one) for one in addresses])}
        if _zone_of(text, networks) != ".":
            return None
        stand_in = self._external(source, text)
        return {dns.rdatatype.A: (OUTSIDE_TTL_S, [str(stand_in)])} if stand_in else None

    def _addresses(self, text: str, networks: Iterable[str]) -> tuple[IPv4Address, ...]:
        if text == "localhost":  # RFC 6761 6.3
            return (IPv4Address("127.0.0.1"),)
        published = self._directory.find(networks, text)[:ADDRESSES_MOST]
        if not published and text == self._server_name:
            return (self._zone.server,)
        return published

    def _reverse(self, name: dns.name.Name, networks: Iterable[str]) -> _Found | None:
        try:
            address = IPv4Address(dns.reversename.to_address(name))
        except (dns.exception.DNSException, ValueError):
            return None
        holder = self._directory.holder(networks, address)
        if holder is None and address == self._zone.server:
            holder = self._server_name
        return {dns.rdatatype.PTR: (INSIDE_TTL_S, [f"{holder}."])} if holder else None

    @property
    def _server_name(self) -> str:
        return f"{SERVER_LABEL}.{self._zone.network}"

    def _apex(self) -> _Found:
        return {
            dns.rdatatype.SOA: (INSIDE_TTL_S, [self._soa()]),
            dns.rdatatype.NS: (INSIDE_TTL_S, [f"{self._server_name}."]),
        }

    def _soa(self) -> str:
        mailbox = f"hostmaster.{self._zone.network}."
        return f"{self._server_name}. {mailbox} 1 3600 600 86400 {INSIDE_TTL_S}"


_Found = dict[dns.rdatatype.RdataType, tuple[int, list[str]]]
"""Time to live and values, by type."""


def _zone_of(text: str, networks: Iterable[str]) -> str:
    """Return the name of the zone that a name belongs to."""
    last = text.rpartition(".")[2]
    return last if last in networks else "."


def _dotted(origin: str) -> dns.name.Name:
    return dns.name.root if origin == "." else dns.name.from_text(f"{origin}.")


def _records(
    name: dns.name.Name, ttl: int, kind: dns.rdatatype.RdataType, values: list[str]
) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(name, ttl, dns.rdataclass.IN, kind, values)


def _bare(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """An answer with nothing but a header, to a message that nothing more is known of."""
    opcode_and_recursion = wire[2] & 0x79
    return wire[:2] + bytes((0x80 | opcode_and_recursion, rcode)) + bytes(8)


def _room(query: dns.message.Message, transport: Transport) -> int:
    if transport is Transport.TCP:
        return TCP_BYTES
    return min(max(query.payload, UDP_BYTES), EDNS_BYTES) if query.edns >= 0 else UDP_BYTES


def _encoded(response: dns.message.Message, room: int) -> bytes:
    try:
        return response.to_wire(max_size=room, want_shuffle=False)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=room, want_shuffle=False)
