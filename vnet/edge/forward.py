"""Heads for the next hop, written anew from checked values (RFC 9110 7.6, RFC 7239's purpose).

Owns which fields travel on. Framing fields are always the portal's own. Raw bytes of a head are
never passed on, so nothing that only one parser saw can survive.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from vnet.edge.framing import BodyKind, Framing

if TYPE_CHECKING:
    from vnet.edge.heads import Request, Response

_HOP_BY_HOP = frozenset(
    b"connection content-length keep-alive proxy-authenticate proxy-authorization "
    b"proxy-connection te transfer-encoding upgrade".split()
)
_REQUEST_DROPS = _HOP_BY_HOP | {b"forwarded", b"x-real-ip"}
_NEVER_OPTIONS = frozenset([b"host"])
"""Fields for every recipient: naming them in Connection does not remove them (RFC 9110 7.6.1)."""


def upstream_head(request: Request, client_address: str) -> bytes:
    """Write the head of `request` for a backend."""
    named = request.options - _NEVER_OPTIONS
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
    for lower, name, value in request.fields:
        plain = lower.replace(b"_", b"-") if b"_" in lower else lower
        if plain in _REQUEST_DROPS or lower in named or plain.startswith(b"x-forwarded"):
            continue
        if lower == b"expect" and request.minor == 0:
            continue  # RFC 9110 10.1.1: meaningless from an HTTP/1.0 client
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(_framing_field(request.framing))
    if request.websocket:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    lines.append(
        b"Via: 1.%d podnet\r\nX-Forwarded-For: %b\r\nX-Forwarded-Host: %b\r\n"
        b"X-Forwarded-Proto: http\r\n\r\n" % (request.minor, client_address.encode(), request.host)
    )
    return b"".join(lines)


def client_framing(request: Request, framing: Framing) -> Framing:
    """Choose the framing towards the client for a body that arrives in `framing`."""
    if framing.kind in (BodyKind.CHUNKED, BodyKind.UNTIL_CLOSE):
        return Framing(BodyKind.CHUNKED if request.minor else BodyKind.UNTIL_CLOSE)
    return framing


def client_head(request: Request, response: Response, framing: Framing, keep_alive: bool) -> bytes:
    """Write the head of a final `response` for the client."""
    lines = [_status_line(response)]
    lines.extend(_response_fields(response))
    if framing.kind is not BodyKind.NONE:
        lines.append(_framing_field(framing))
    elif response.declared and response.declared.kind is BodyKind.LENGTH and response.status != 204:
        lines.append(_framing_field(response.declared))  # HEAD and 304 describe an absent body
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    elif request.minor == 0:
        lines.append(b"Connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def interim_head(response: Response) -> bytes:
    """Write the head of a 1xx `response` for the client; a 101 switches to WebSocket."""
    lines = [_status_line(response)]
    lines.extend(_response_fields(response))
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def _status_line(response: Response) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (response.status, response.reason)


def _response_fields(response: Response) -> list[bytes]:
    return [
        b"%b: %b\r\n" % (name, value)
        for lower, name, value in response.fields
        if lower not in _HOP_BY_HOP and lower not in response.options
    ]


def _framing_field(framing: Framing) -> bytes:
    match framing.kind:
        case BodyKind.LENGTH:
            return b"Content-Length: %d\r\n" % framing.length
        case BodyKind.CHUNKED:
            return b"Transfer-Encoding: chunked\r\n"
        case BodyKind.NONE | BodyKind.UNTIL_CLOSE:
            return b""
