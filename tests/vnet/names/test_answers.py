"""DNS answers, asked by another implementation's messages and by garbage."""

from __future__ import annotations

from ipaddress import IPv4Address

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnet.names import Answerer, Directory, Transport
from vnet.names.answers import ADDRESSES_MOST, EDNS_BYTES, UDP_BYTES, Zone

POD = IPv4Address("10.20.0.9")
SERVER = IPv4Address("10.20.0.1")
STAND_IN = IPv4Address("198.18.0.7")
API = [IPv4Address("10.20.0.2"), IPv4Address("10.20.0.3")]


def external(source: IPv4Address, name: str) -> IPv4Address | None:
    return STAND_IN if source == POD and name == "api.example.com" else None


def answerer() -> Answerer:
    directory = Directory()
    names = {"api": API, "api-1": API[:1], "api-2": API[1:]}
    names |= {f"{name}.back": addresses for name, addresses in names.items()}
    names["many"] = [IPv4Address(0x0A140100 + index) for index in range(3000)]
    directory.publish("back", names)
    directory.publish("front", {"web": [IPv4Address("10.10.0.2")]})
    directory.publish("hidden", {"secret": [IPv4Address("10.30.0.2")]})
    zone = Zone(network="back", server=SERVER)
    return Answerer(
        directory, zone, lambda source: ["back", "front"] if source == POD else [], external
    )


def ask(
    name: str,
    kind: str = "A",
    *,
    transport: Transport = Transport.TCP,
    source: IPv4Address = POD,
    edns: int = -1,
    payload: int = EDNS_BYTES,
    opcode: dns.opcode.Opcode = dns.opcode.QUERY,
    server: Answerer | None = None,
) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=edns, payload=payload)
    query.set_opcode(opcode)
    wire = (server or answerer()).answer(query.to_wire(), source, transport)
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert query.is_response(answer)
    return answer


def values(answer: dns.message.Message) -> list[str]:
    return [record.to_text() for rrset in answer.answer for record in rrset]


def test_a_service_is_its_replicas_in_rotating_order() -> None:
    server = answerer()
    first, second = ask("api", server=server), ask("api.back", server=server)
    assert values(first) == ["10.20.0.2", "10.20.0.3"] == values(second)
    assert values(ask("api", server=server)) == ["10.20.0.3", "10.20.0.2"]
    assert first.flags & dns.flags.AA
    assert not first.flags & dns.flags.RA


@pytest.mark.parametrize("name", ["API-2", "aPi-2.BaCk", "api-2.back."])
def test_names_have_no_case(name: str) -> None:
    answer = ask(name)
    assert values(answer) == ["10.20.0.3"]
    assert answer.answer[0].name == dns.name.from_text(name)


def test_a_pod_sees_the_names_of_its_networks_and_of_no_other() -> None:
    assert values(ask("web")) == ["10.10.0.2"]
    assert ask("secret").rcode() == dns.rcode.NXDOMAIN
    assert ask("web", source=IPv4Address("10.20.0.77")).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    "name", ["nobody", "nobody.back", "other.example.com", ".", "api.example.com.back"]
)
def test_unknown_names_do_not_exist_and_say_for_how_long(name: str) -> None:
    answer = ask(name)
    assert answer.rcode() == (dns.rcode.NOERROR if name == "." else dns.rcode.NXDOMAIN)
    assert [rrset.rdtype for rrset in answer.authority] == [dns.rdatatype.SOA]
    origin = "back." if name.endswith("back") else "."
    assert answer.authority[0].name.to_text() == origin


@pytest.mark.parametrize("name", ["api", "api.example.com", "localhost"])
@pytest.mark.parametrize("kind", ["AAAA", "MX", "TXT", "HTTPS", "SRV"])
def test_known_names_have_no_records_of_other_types(name: str, kind: str) -> None:
    answer = ask(name, kind)
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    assert answer.authority[0].rdtype == dns.rdatatype.SOA


def test_names_outside_have_an_address_that_stands_for_them() -> None:
    assert values(ask("API.example.com")) == [str(STAND_IN)]
    stranger = ask("api.example.com", source=IPv4Address("10.20.0.77"))
    assert stranger.rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    ("address", "name"),
    [("10.20.0.2", "api-1.back."), ("10.20.0.3", "api-2.back."), ("10.20.0.1", "dns.back.")],
)
def test_addresses_lead_back_to_a_replica(address: str, name: str) -> None:
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    assert values(ask(reverse, "PTR")) == [name]
    assert (ask(reverse, "A").rcode(), ask(reverse, "A").answer) == (dns.rcode.NOERROR, [])


@pytest.mark.parametrize(
    "reverse", ["9.9.9.9.in-addr.arpa", "x.in-addr.arpa", "in-addr.arpa", "1.2.in-addr.arpa"]
)
def test_other_addresses_have_no_name(reverse: str) -> None:
    assert ask(reverse, "PTR").rcode() == dns.rcode.NXDOMAIN


def test_zones_say_who_serves_them() -> None:
    assert values(ask("back", "NS")) == ["dns.back."]
    assert values(ask("dns.back")) == [str(SERVER)]
    assert values(ask("back", "SOA"))[0].startswith("dns.back. ")


@pytest.mark.parametrize("kind", ["ANY", "AXFR"])
def test_any_and_transfers_are_refused(kind: str) -> None:
    assert ask("api", kind).rcode() == dns.rcode.REFUSED


def test_other_classes_are_refused() -> None:
    query = dns.message.make_query("version.bind", "TXT", rdclass=dns.rdataclass.CH)
    wire = answerer().answer(query.to_wire(), POD, Transport.UDP)
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED


def test_other_operations_are_not_implemented() -> None:
    query = dns.message.make_query("api", "A")
    query.set_opcode(dns.opcode.NOTIFY)
    wire = answerer().answer(query.to_wire(), POD, Transport.UDP)
    assert wire is not None
    assert wire[:2] == query.id.to_bytes(2, "big")
    assert dns.message.from_wire(wire).rcode() == dns.rcode.NOTIMP


@pytest.mark.parametrize(
    ("edns", "payload", "room"), [(-1, 0, 512), (0, 700, 700), (0, 9000, 1232)]
)
def test_what_does_not_fit_a_datagram_is_truncated_and_whole_over_tcp(
    edns: int, payload: int, room: int
) -> None:
    query = dns.message.make_query("many", "A", use_edns=edns, payload=payload)
    wire = answerer().answer(query.to_wire(), POD, Transport.UDP)
    assert wire is not None
    assert len(wire) <= room
    answer = dns.message.from_wire(wire)
    assert answer.flags & dns.flags.TC
    assert answer.answer == []
    whole = ask("many", edns=edns)
    assert not whole.flags & dns.flags.TC
    assert len(values(whole)) == ADDRESSES_MOST


def test_edns_of_a_later_version_is_told_ours() -> None:
    answer = ask("api", edns=1)
    assert answer.rcode() == dns.rcode.BADVERS
    assert answer.edns == 0


def test_two_questions_are_malformed() -> None:
    query = dns.message.make_query("api", "A")
    query.question.append(dns.message.make_query("web", "A").question[0])
    wire = answerer().answer(query.to_wire(), POD, Transport.UDP)
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.FORMERR


def check_answer(wire: bytes, answer: bytes | None) -> None:
    if len(wire) < 12 or wire[2] & 0x80:
        assert answer is None
        return
    assert answer is not None
    assert len(answer) <= max(UDP_BYTES, EDNS_BYTES)
    parsed = dns.message.from_wire(answer)
    assert parsed.id == int.from_bytes(wire[:2], "big")
    assert parsed.flags & dns.flags.QR


@given(st.binary(max_size=600))
def test_any_bytes_are_answered_or_ignored(wire: bytes) -> None:
    check_answer(wire, answerer().answer(wire, POD, Transport.UDP))


@given(st.data())
def test_damaged_queries_are_answered_or_ignored(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(["api", "many.back", "api.example.com", "2.0.20.10.in-addr.arpa"])
    )
    kind = data.draw(st.sampled_from(["A", "PTR", "ANY", "OPT", "TSIG", "SOA"]))
    query = dns.message.make_query(name, kind, use_edns=data.draw(st.sampled_from([-1, 0])))
    wire = bytearray(query.to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    damaged = bytes(wire[: cut or None]) + data.draw(st.binary(max_size=8))
    check_answer(damaged, answerer().answer(damaged, POD, Transport.UDP))
