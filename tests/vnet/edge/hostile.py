"""Requests that must never reach a replica, by the rule they break.

`{host}` stands for a portal's name. Every entry is a whole message as an attacker would send it.
"""

from __future__ import annotations

HOST = b"Host: {host}\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"


def _post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"".join(f + b"\r\n" for f in fields) + b"\r\n" + body


def _get(*fields: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


def _chunked(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body=body)


_H = HOST.removesuffix(b"\r\n")

HOSTILE: dict[str, bytes] = {
    "length and chunked": _post(
        b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "chunked and length": _post(
        b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "two unequal lengths": _post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "two equal lengths": _post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "list of lengths": _post(b"Content-Length: 5, 5", body=b"hello"),
    "length with plus": _post(b"Content-Length: +5", body=b"hello"),
    "length with minus": _post(b"Content-Length: -5", body=b"hello"),
    "length in hexadecimal": _post(b"Content-Length: 0x5", body=b"hello"),
    "length with underscore": _post(b"Content-Length: 1_0", body=b"hellohello"),
    "length with inner space": _post(b"Content-Length: 5 5", body=b"hello"),
    "length in other digits": _post("Content-Length: \u0665".encode(), body=b"hello"),
    "empty length": _post(b"Content-Length:", body=b"hello"),
    "length over 63 bits": _post(b"Content-Length: 9223372036854775808"),
    "length of 40 digits": _post(b"Content-Length: " + b"1" * 40),
    "length in an underscore name": _post(b"Content_Length: 5", body=b"hello"),
    "coding in an underscore name": _post(b"Transfer_Encoding: chunked", body=b"0\r\n\r\n"),
    "two chunked fields": _post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "chunked twice": _post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "chunked not last": _post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
    "gzip then chunked": _post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "identity": _post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "unknown coding": _post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "quoted coding": _post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "coding with parameter": _post(b"Transfer-Encoding: chunked;a=b", body=b"0\r\n\r\n"),
    "coding with vertical tab": _post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "empty coding": _post(b"Transfer-Encoding:", body=b"0\r\n\r\n"),
    "chunked in 1.0": b"POST / HTTP/1.0\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF after request line": b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    "bare LF after a field": b"GET / HTTP/1.1\r\nHost: {host}\nX: y\r\n\r\n",
    "bare LF lines only": b"GET / HTTP/1.1\nHost: {host}\n\n",
    "bare LF ends the head": b"GET / HTTP/1.1\r\nHost: {host}\r\n\n",
    "bare CR in a value": _get(_H, b"X: a\rb"),
    "bare CR before a field": b"GET / HTTP/1.1\r\n" + HOST + b"\rX: y\r\n\r\n",
    "bare CR in request line": b"GET /\r HTTP/1.1\r\n" + HOST + b"\r\n",
    "CR CR LF": b"GET / HTTP/1.1\r\r\n" + HOST + b"\r\n",
    "folded value": _get(_H, b"X: a", b" b"),
    "folded with tab": _get(_H, b"X: a", b"\tb"),
    "folded coding": _post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "folded first line": b"GET / HTTP/1.1\r\n Host: {host}\r\n\r\n",
    "space before colon": _post(b"Content-Length : 5", body=b"hello"),
    "tab before colon": _post(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "space in a name": _get(_H, b"X Y: z"),
    "empty name": _get(_H, b": z"),
    "no colon": _get(_H, b"Transfer-Encoding"),
    "name in other letters": _get(_H, "T\u00e9: z".encode()),
    "NUL in a value": _get(_H, b"X: a\0b"),
    "NUL in a name": _get(_H, b"X\0: a"),
    "NUL in the target": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "DEL in a value": _get(_H, b"X: a\x7f"),
    "escape in a value": _get(_H, b"X: \x1b[2J"),
    "no Host": _get(b"X: y"),
    "no Host in 1.0": b"GET / HTTP/1.0\r\n\r\n",
    "two Hosts": _get(_H, b"Host: other.localhost"),
    "two equal Hosts": _get(_H, _H),
    "empty Host": _get(b"Host:"),
    "Host list": _get(_H + b", other.localhost"),
    "Host with a path": _get(_H + b"/x"),
    "Host with user": _get(b"Host: a@{host}"),
    "target against Host": b"GET http://other.localhost/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "target with user": b"GET http://a@{host}/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "https target": b"GET https://{host}/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority target": b"GET {host} HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk with GET": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /#a HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab for space": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "leading space": b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "empty line first": b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "two empty lines first": b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /\r\n" + HOST + b"\r\n",
    "lower-case version": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "trailing space": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "high bytes in the target": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "chunk without size": _chunked(b"\r\n\r\n"),
    "chunk size with plus": _chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with 0x": _chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size negative": _chunked(b"-1\r\nhello\r\n0\r\n\r\n"),
    "chunk size padded": _chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunk size indented": _chunked(b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk size huge": _chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk size over 63 bits": _chunked(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "chunk size line endless": _chunked(b"5;" + b"a" * 2000),
    "chunk size ends in LF": _chunked(b"5\nhello\r\n0\r\n\r\n"),
    "chunk size ends in CR": _chunked(b"5\rhello\r\n0\r\n\r\n"),
    "chunk extension with LF": _chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "chunk extension with CR": _chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "chunk extension with NUL": _chunked(b"5;a\0\r\nhello\r\n0\r\n\r\n"),
    "chunk longer than size": _chunked(b"4\r\nhello\r\n0\r\n\r\n"),
    "chunk shorter than size": _chunked(b"6\r\nhello\r\n0\r\n\r\n"),
    "chunk ends in LF": _chunked(b"5\r\nhello\n0\r\n\r\n"),
    "chunk ends in CR": _chunked(b"5\r\nhello\r0\r\n\r\n"),
    "chunk ends in two bytes": _chunked(b"5\r\nhelloXX0\r\n\r\n"),
    "last chunk ends in LF": _chunked(b"5\r\nhello\r\n0\n\n"),
    "trailer folded": _chunked(b"0\r\nX: a\r\n b\r\n\r\n"),
    "trailer without colon": _chunked(b"0\r\n" + SMUGGLED),
    "trailer with bare LF": _chunked(b"0\r\nX: a\nY: b\r\n\r\n"),
    "trailers endless": _chunked(b"0\r\n" + b"X: a\r\n" * 5000),
}

REFUSED_OTHERWISE: dict[str, tuple[int, bytes]] = {
    "CONNECT": (405, b"CONNECT {host}:80 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "TRACE": (405, b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "unknown method": (501, b"FROB / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "HTTP/2 preface": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2\r\n" + HOST + b"\r\n"),
    "HTTP/0.9 with version": (505, b"GET / HTTP/0.9\r\n" + HOST + b"\r\n"),
    "other expectation": (417, _post(b"Expect: 200-ok", b"Content-Length: 0")),
    "head over 64 KiB": (431, _get(_H, b"X: " + b"a" * 70_000)),
    "endless head": (431, b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000),
    "endless request line": (431, b"GET /" + b"a" * 70_000),
    "too many fields": (431, _get(_H, *[b"X: y"] * 100)),
    "foreign Host": (421, _get(b"Host: evil.example")),
    "loopback Host": (421, _get(b"Host: 127.0.0.1")),
    "unknown portal": (404, _get(b"Host: x.localhost")),
}
