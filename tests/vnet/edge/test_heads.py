from __future__ import annotations

import pytest

from vnet.edge.errors import MessageRefusedError
from vnet.edge.forward import client_head, interim_head, upstream_head
from vnet.edge.framing import NO_BODY, BodyKind, Framing
from vnet.edge.heads import parse_request, parse_response


def _request(start: str, *fields: str) -> bytes:
    return "\r\n".join([start, *fields, "", ""]).encode()


@pytest.mark.parametrize(
    ("target", "host", "forwarded"),
    [
        ("/a?b=c", "x.localhost", b"/a?b=c"),
        ("http://x.localhost/a", "x.localhost", b"/a"),
        ("HTTP://X.localhost:80/a", "x.LOCALHOST", b"/a"),
        ("http://x.localhost:81", "x.localhost:81", b"/"),
        ("http://x.localhost?b", "x.localhost", b"/?b"),
        ("//a/b", "x.localhost", b"//a/b"),
    ],
)
def test_every_target_becomes_a_path(target: str, host: str, forwarded: bytes) -> None:
    request = parse_request(_request(f"GET {target} HTTP/1.1", f"Host: {host}"))
    assert request.target == forwarded


@pytest.mark.parametrize("target", ["*", "http://x.localhost"])
def test_options_may_ask_about_the_server_itself(target: str) -> None:
    request = parse_request(_request(f"OPTIONS {target} HTTP/1.1", "Host: x.localhost"))
    assert request.target == b"*"


def test_a_target_that_contradicts_the_host_is_refused() -> None:
    with pytest.raises(MessageRefusedError, match="contradicts"):
        parse_request(_request("GET http://a.localhost/ HTTP/1.1", "Host: b.localhost"))


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        ("1.1", "", True),
        ("1.1", "X, CLOSE", False),
        ("1.0", "", False),
        ("1.0", "Keep-Alive", True),
    ],
)
def test_persistence_follows_version_and_connection(
    version: str, connection: str, keep_alive: bool
) -> None:
    head = _request(f"GET / HTTP/{version}", "Host: x", f"Connection: {connection}")
    assert parse_request(head).keep_alive is keep_alive


def test_hop_by_hop_and_forwarding_fields_do_not_travel() -> None:
    head = _request(
        "GET / HTTP/1.1",
        "Host: x.localhost:8",
        "Connection: X-Named, host, close",
        "X-Named: 1",
        "Keep-Alive: 2",
        "Proxy-Authorization: 3",
        "Proxy-Connection: 4",
        "TE: trailers",
        "Upgrade: h2c",
        "X-Forwarded-For: 6.6.6.6",
        "X_Forwarded_For: 6.6.6.6",
        "x-forwarded-anything: 7",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "Cookie: a=b",
    )
    assert upstream_head(parse_request(head), "127.0.0.1") == _request(
        "GET / HTTP/1.1",
        "Host: x.localhost:8",
        "Cookie: a=b",
        "Via: 1.1 podnet",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: x.localhost:8",
        "X-Forwarded-Proto: http",
    )


def test_a_length_is_written_anew() -> None:
    head = _request("POST / HTTP/1.1", "Host: x", "content-length:007 ")
    lines = upstream_head(parse_request(head), "127.0.0.1").split(b"\r\n")
    assert [line for line in lines if b"ength" in line] == [b"Content-Length: 7"]


_WEBSOCKET = ("Host: x", "Connection: keep-alive, Upgrade", "Upgrade: WebSocket")


def test_a_websocket_request_keeps_its_upgrade() -> None:
    request = parse_request(_request("GET / HTTP/1.1", *_WEBSOCKET))
    assert request.websocket
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in upstream_head(request, "127.0.0.1")


@pytest.mark.parametrize(
    ("start", "fields"),
    [
        ("POST / HTTP/1.1", _WEBSOCKET),
        ("GET / HTTP/1.0", _WEBSOCKET),
        ("GET / HTTP/1.1", (*_WEBSOCKET, "Content-Length: 1")),
        ("GET / HTTP/1.1", ("Host: x", "Connection: Upgrade", "Upgrade: h2c")),
        ("GET / HTTP/1.1", ("Host: x", "Upgrade: websocket")),
    ],
)
def test_other_upgrades_are_stripped(start: str, fields: tuple[str, ...]) -> None:
    request = parse_request(_request(start, *fields))
    assert not request.websocket
    assert b"pgrade" not in upstream_head(request, "127.0.0.1")


def test_an_old_client_cannot_expect_an_interim_answer() -> None:
    request = parse_request(_request("POST / HTTP/1.0", "Host: x", "Expect: 100-continue"))
    assert b"Expect" not in upstream_head(request, "127.0.0.1")


def test_response_fields_of_the_hop_do_not_travel() -> None:
    response = parse_response(
        b"HTTP/1.1 200 Fine\r\nConnection: X-Named\r\nX-Named: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Content-Length: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"
    )
    request = parse_request(_request("GET / HTTP/1.1", "Host: x"))
    assert client_head(request, response, Framing(BodyKind.LENGTH, 3), True) == (
        b"HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n\r\n"
    )


@pytest.mark.parametrize(("status", "expected"), [(304, b"Content-Length: 9\r\n"), (204, b"")])
def test_a_length_without_a_body_travels_only_where_it_means_something(
    status: int, expected: bytes
) -> None:
    response = parse_response(b"HTTP/1.1 %d X\r\nContent-Length: 9\r\n\r\n" % status)
    request = parse_request(_request("GET / HTTP/1.1", "Host: x"))
    head = client_head(request, response, NO_BODY, True)
    assert head == b"HTTP/1.1 %d X\r\n%b\r\n" % (status, expected)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"Content-Length: +1\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"X: a\r\n b\r\n",
        b"X : a\r\n",
        b"X: a\nY: b\r\n",
    ],
)
def test_ambiguous_responses_are_refused(fields: bytes) -> None:
    with pytest.raises(MessageRefusedError):
        parse_response(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")


def test_early_hints_keep_their_links() -> None:
    response = parse_response(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    assert interim_head(response) == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
