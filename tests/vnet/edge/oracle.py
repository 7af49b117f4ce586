"""Hostile HTTP by the thousand, and h11's opinion of it."""

from __future__ import annotations

import h11
from hypothesis import strategies as st

from tests.vnet.edge.hostile import HOSTILE, REFUSED_OTHERWISE
from tests.vnet.edge.rig import Seen

_STARTS = [
    b"GET / HTTP/1.1\r\n",
    b"POST /p HTTP/1.1\r\n",
    b"GET http://{host}/a HTTP/1.1\r\n",
    b"PUT /q?x=1 HTTP/1.0\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"HEAD / HTTP/1.1\r\n",
]
_FIELDS = [
    b"Host: {host}\r\n",
    b"Host: {host}\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"content-length:5 \r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"TRANSFER-ENCODING:\tChunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Connection: x, content-length, host\r\n",
    b"X: y\r\n",
    b"X : y\r\n",
    b" folded\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
]
_PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"hello",
    b"5\r\nhello\r\n",
    b"5;ext=1\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nA: b\r\n\r\n",
    b"00\r\n\r\n",
    b"5\r\nhell",
]
_BODIES = [
    b"\r\n",
    b"Content-Length: 5\r\n\r\nhello",
    b"content-length:0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5;e=1\r\nhello\r\n00\r\nA: b\r\n\r\n",
    b"Transfer-Encoding: Chunked\r\nTrailer: A\r\n\r\n1\r\n\r\r\n0\r\n\r\n",
]


def messages() -> st.SearchStrategy[bytes]:
    """Return bytes near HTTP: well-formed, broken in known ways, cut, glued, or arbitrary."""
    head = st.builds(
        lambda start, fields: start + b"".join(fields) + b"\r\n",
        st.sampled_from(_STARTS),
        st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=4, unique_by=lambda f: f[:8]),
    )
    valid = st.builds(
        lambda start, field, body: start + b"Host: {host}\r\n" + field + body,
        st.sampled_from(_STARTS),
        st.sampled_from([b"", b"X: y\r\n", b"Connection: close\r\n", b"x_y:\t z \r\n"]),
        st.sampled_from(_BODIES),
    )
    known = st.sampled_from([*HOSTILE.values(), *(m for _, m in REFUSED_OTHERWISE.values())])
    piece = st.one_of(
        valid, valid, valid, head, head, st.sampled_from(_PIECES), known, st.binary(max_size=8)
    )
    glued = st.lists(piece, min_size=1, max_size=6).map(b"".join)
    return st.one_of(glued, st.builds(_mutate, glued, st.integers(0, 400), st.binary(max_size=3)))


def _mutate(message: bytes, at: int, insert: bytes) -> bytes:
    return message[:at] + insert + message[at + 1 :]


def requests_seen_by_h11(raw: bytes) -> list[Seen]:
    """Return the whole requests that h11 finds in `raw` before it finds an error."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(raw)
    connection.receive_data(b"")
    seen: list[Seen] = []
    request: Seen | None = None
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return seen
        if isinstance(event, h11.Request):
            request = Seen(event.method, event.target, list(event.headers))
        elif isinstance(event, h11.Data):
            assert request is not None
            request.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            seen.append(request)
            connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return seen
            connection.start_next_cycle()
        else:
            return seen
