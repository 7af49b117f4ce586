from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnet.edge.errors import MessageRefusedError
from vnet.edge.table import PortalTable, portal_label


def test_a_name_is_random_service_port_below_localhost() -> None:
    portal = PortalTable().open("web", 8080)
    random, service, port = portal.hostname.removesuffix(".localhost").split("-")
    assert (len(random), service, port) == (16, "web", "8080")


def test_two_portals_of_one_service_have_different_names() -> None:
    table = PortalTable()
    assert table.open("web", 80).hostname != table.open("web", 80).hostname


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(1, 65535))
def test_every_service_name_gives_a_valid_label(service: str, port: int) -> None:
    label = portal_label("a" * 16, service, port)
    assert len(label) <= 63
    assert set(label) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not label.endswith("-")


def test_lookup_ignores_case_and_port() -> None:
    table = PortalTable()
    portal = table.open("web", 80)
    assert table.lookup(portal.hostname.upper() + ":9999") is portal


def test_a_closed_portal_is_not_found() -> None:
    table = PortalTable()
    portal = table.open("web", 80)
    table.close(portal)
    assert table.lookup(portal.hostname) is None
    assert portal.closed


def test_replicas_take_turns_and_tried_ones_are_skipped() -> None:
    portal = PortalTable().open("web", 80, [("a", 1), ("b", 1), ("c", 1)])
    assert [portal.next_backend() for _ in range(4)] == [("a", 1), ("b", 1), ("c", 1), ("a", 1)]
    assert portal.next_backend([("b", 1)]) == ("c", 1)
    assert portal.next_backend([("a", 1), ("b", 1), ("c", 1)]) is None


def test_backends_can_be_replaced_while_the_cursor_is_past_the_new_end() -> None:
    portal = PortalTable().open("web", 80, [("a", 1), ("b", 1), ("c", 1)])
    for _ in range(3):
        portal.next_backend()
    portal.set_backends([("d", 1)])
    assert portal.next_backend() == ("d", 1)
    portal.set_backends([])
    assert portal.next_backend() is None


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1:8080", 421),
        (b"localhost:8080", 421),
        (b"evil.example", 421),
        (b"[::1]:8080", 421),
        (b"other.localhost:8080", 404),
    ],
)
def test_only_portal_names_are_routed(host: bytes, status: int) -> None:
    table = PortalTable()
    table.open("web", 8080)
    with pytest.raises(MessageRefusedError, match="podnet portal ls") as caught:
        table.route(host)
    assert caught.value.status == status


@pytest.mark.parametrize("host", [b"localhost:9000", b"LOCALHOST:9000", b"127.0.0.1:9000"])
def test_a_pinned_port_also_answers_to_loopback_names_with_that_port(host: bytes) -> None:
    table = PortalTable()
    portal = table.open("web", 8080, pinned=9000)
    assert table.route(host, portal) is portal
    with pytest.raises(MessageRefusedError):
        table.route(host)


@pytest.mark.parametrize("host", [b"localhost", b"localhost:9001", b"127.0.0.2:9000", b"a.b:9000"])
def test_a_pinned_port_refuses_other_names(host: bytes) -> None:
    table = PortalTable()
    portal = table.open("web", 8080, pinned=9000)
    with pytest.raises(MessageRefusedError, match="http://localhost:9000/"):
        table.route(host, portal)


def test_a_pinned_port_serves_no_other_portal() -> None:
    table = PortalTable()
    pinned, other = table.open("web", 8080, pinned=9000), table.open("api", 80)
    assert table.route(pinned.hostname.encode(), pinned) is pinned
    with pytest.raises(MessageRefusedError):
        table.route(other.hostname.encode(), pinned)
