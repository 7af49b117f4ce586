"""Requests and responses as values: what a checked head says (RFC 9110 7, RFC 9112 3).

Owns extraction and interpretation. `syntax` decides first whether the bytes are well-formed, then
httptools takes them apart; a head passes only when both agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

from vnet.edge.errors import MessageRefusedError
from vnet.edge.framing import NO_BODY, Framing, declared_framing
from vnet.edge.limits import MAX_FIELDS
from vnet.edge.syntax import check_request_head, check_response_head

_SPECIAL = frozenset(b"connection content-length expect host transfer-encoding upgrade".split())
_LOOKALIKES = frozenset([b"content_length", b"transfer_encoding"])
"""CGI-style servers (WSGI) read `_` as `-`, and would see a framing that the portal did not."""

_AUTHORITY = re.compile(
    rb"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?"
)
_ABSOLUTE = re.compile(rb"http://([^/?]*)([/?].*)?", re.IGNORECASE | re.DOTALL)

Field = tuple[bytes, bytes, bytes]
"""Lower-case name, name as sent, value without surrounding whitespace."""


class _Sink:
    """Receives httptools' callbacks for one head."""

    __slots__ = ("complete", "fields", "special", "url")

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[Field] = []
        self.special: dict[bytes, list[bytes]] = {}
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        value = value.strip(b" \t")
        self.fields.append((lower, name, value))
        if lower in _SPECIAL:
            self.special.setdefault(lower, []).append(value)

    def on_headers_complete(self) -> None:
        self.complete = True

    def connection_options(self) -> frozenset[bytes]:
        """Return the options of the Connection fields in lower case."""
        values = self.special.get(b"connection")
        if values is None:
            return frozenset()
        return frozenset(option.strip(b" \t").lower() for option in b",".join(values).split(b","))


@dataclass(slots=True)
class Request:
    """A request that is safe to forward."""

    method: bytes
    target: bytes
    """In origin-form, or `*`."""
    minor: int
    """0 for HTTP/1.0, 1 for HTTP/1.1."""
    host: bytes
    """The Host field as the client sent it."""
    fields: list[Field]
    options: frozenset[bytes]
    """What the Connection field lists."""
    framing: Framing
    keep_alive: bool
    websocket: bool
    """The client asks to switch to WebSocket."""


@dataclass(slots=True)
class Response:
    """A response head that is safe to forward."""

    status: int
    reason: bytes
    minor: int
    fields: list[Field]
    options: frozenset[bytes]
    declared: Framing | None
    """The framing its fields name; `response_framing` says what applies."""
    websocket: bool
    """The backend agrees to switch to WebSocket."""


def parse_request(head: bytes) -> Request:
    """Turn a whole head, up to its empty line, into a request.

    Raises:
        MessageRefusedError: The head breaks a rule.
    """
    check_request_head(head)
    sink = _Sink()
    _feed(HttpRequestParser(sink), sink, head)
    _check_lookalikes(sink)
    method = head[: head.index(b" ")]
    if method in (b"CONNECT", b"TRACE"):
        raise MessageRefusedError(f"the method {method.decode()} is not served by a portal", 405)
    minor = head[len(method) + len(sink.url) + 9] - ord("0")  # `METHOD target HTTP/1.x`
    host = _parse_host(sink)
    options = sink.connection_options()
    framing = declared_framing(sink.special, minor) or NO_BODY
    expected = sink.special.get(b"expect")
    if expected is not None and [value.lower() for value in expected] != [b"100-continue"]:
        raise MessageRefusedError("an expectation other than 100-continue", 417)
    return Request(
        method=method,
        target=_origin_form(method, sink.url, host),
        minor=minor,
        host=host,
        fields=sink.fields,
        options=options,
        framing=framing,
        keep_alive=b"close" not in options if minor else b"keep-alive" in options,
        websocket=minor == 1
        and method == b"GET"
        and framing is NO_BODY
        and b"upgrade" in options
        and [value.lower() for value in sink.special.get(b"upgrade", ())] == [b"websocket"],
    )


def parse_response(head: bytes) -> Response:
    """Turn a whole head, up to its empty line, into a response.

    Raises:
        MessageRefusedError: The head breaks a rule.
    """
    check_response_head(head)
    sink = _Sink()
    _feed(HttpResponseParser(sink), sink, head)
    minor = head[7] - ord("0")
    options = sink.connection_options()
    return Response(
        status=int(head[9:12]),
        reason=head[12 : head.index(b"\r\n")].strip(b" \t"),
        minor=minor,
        fields=sink.fields,
        options=options,
        declared=declared_framing(sink.special, minor),
        websocket=b"upgrade" in options
        and [value.lower() for value in sink.special.get(b"upgrade", ())] == [b"websocket"],
    )


def _feed(parser: HttpRequestParser | HttpResponseParser, sink: _Sink, head: bytes) -> None:
    try:
        parser.feed_data(head)
    except HttpParserUpgrade:
        pass
    except HttpParserInvalidMethodError:
        raise MessageRefusedError("a method that the portal does not know", 501) from None
    except HttpParserError as error:
        raise MessageRefusedError(f"the head does not parse: {error}") from error
    if not sink.complete:
        raise MessageRefusedError("the head does not parse to its end")
    if len(sink.fields) > MAX_FIELDS:
        raise MessageRefusedError(f"more than {MAX_FIELDS} fields", 431)


def _check_lookalikes(sink: _Sink) -> None:
    for lower, name, _ in sink.fields:
        if lower in _LOOKALIKES:
            raise MessageRefusedError(f"the field {name.decode()}, which some servers misread")


def _parse_host(sink: _Sink) -> bytes:
    hosts = sink.special.get(b"host", ())
    if len(hosts) != 1:
        raise MessageRefusedError("more than one Host field" if hosts else "no Host field")
    if _AUTHORITY.fullmatch(hosts[0]) is None:
        raise MessageRefusedError("a Host field that is not a name with an optional port")
    return hosts[0]


def _origin_form(method: bytes, target: bytes, host: bytes) -> bytes:
    if target.startswith(b"/"):
        return target
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise MessageRefusedError("a request target that is neither a path nor an http URL")
    authority, path = absolute[1], absolute[2] or b""
    if _without_default_port(authority) != _without_default_port(host):
        raise MessageRefusedError("a request target that contradicts the Host field")
    if not path and method == b"OPTIONS":
        return b"*"  # RFC 9112 3.2.4
    return path if path.startswith(b"/") else b"/" + path


def _without_default_port(authority: bytes) -> bytes:
    return authority.lower().removesuffix(b":80")
