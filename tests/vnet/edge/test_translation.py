"""The whole pure path, from foreign bytes to a replica's bytes, against h11."""

from __future__ import annotations

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vnet.edge.oracle import messages, requests_seen_by_h11
from vnet.edge.errors import MessageRefusedError
from vnet.edge.forward import upstream_head
from vnet.edge.framing import decoder_for, encode
from vnet.edge.heads import parse_request
from vnet.edge.syntax import HeadScanner


def _forward(raw: bytes) -> list[bytes]:
    """Return each whole request as a replica would get it, up to the first refusal."""
    scanner, buffer, out = HeadScanner(), bytearray(raw), list[bytes]()
    try:
        while (head := scanner.take(buffer)) is not None:
            request = parse_request(head)
            body = decoder_for(request.framing)
            payload = encode(request.framing.kind, body.decode(buffer), body)
            if not body.done:
                break
            out.append(upstream_head(request, "127.0.0.1") + payload)
            if not request.keep_alive:
                break
    except MessageRefusedError:
        pass
    return out


@settings(max_examples=400, deadline=None)
@given(messages())
def test_each_forwarded_message_is_one_request_and_the_one_that_h11_sees(message: bytes) -> None:
    raw = message.replace(b"{host}", b"x.localhost")
    expected = requests_seen_by_h11(raw)
    forwarded = _forward(raw)
    assert len(forwarded) <= len(expected)
    for out, theirs in zip(forwarded, expected, strict=False):
        seen = requests_seen_by_h11(out)
        assert len(seen) == 1
        assert (seen[0].method, seen[0].body) == (theirs.method, theirs.body)
        assert theirs.target.endswith(seen[0].target)
        assert seen[0].value(b"host") == theirs.value(b"host")
        assert seen[0].value(b"connection") in (None, b"Upgrade")
        assert _nothing_follows(out)


def _nothing_follows(out: bytes) -> bool:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(out)
    while not isinstance(connection.next_event(), h11.EndOfMessage):
        pass
    return not connection.trailing_data[0]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_awaited(data: bytes) -> None:
    assert _forward(data) == []
