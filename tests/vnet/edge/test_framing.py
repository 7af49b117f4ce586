from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnet.edge.errors import MessageRefusedError
from vnet.edge.framing import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    BodyKind,
    ChunkDecoder,
    Decoder,
    Framing,
    decoder_for,
    encode,
    response_framing,
)

_CUTS = st.lists(st.integers(1, 50), max_size=40)
_TRAILERS = st.sampled_from([[], [(b"x-sum", b"1")], [(b"A", b""), (b"B", b"c d")]])


def _feed(decoder: Decoder, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """Return the payload and what is left behind the body."""
    buffer, payload, position = bytearray(), b"", 0
    for cut in [*cuts, len(data)]:
        buffer += data[position : position + cut]
        position += cut
        payload += decoder.decode(buffer)
    return payload, bytes(buffer)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=80)), _TRAILERS, _CUTS, st.binary(max_size=20))
def test_a_chunked_body_survives_any_cutting(
    chunks: list[bytes], trailers: list[tuple[bytes, bytes]], cuts: list[int], behind: bytes
) -> None:
    wire = b"".join(b"%X;n=v\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    wire += b"000\r\n" + b"".join(b"%b:  %b \r\n" % pair for pair in trailers) + b"\r\n"
    decoder = ChunkDecoder()
    assert _feed(decoder, wire + behind, cuts) == (b"".join(chunks), behind)
    assert decoder.done
    assert decoder.trailers == trailers


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 250), _CUTS)
def test_a_body_with_length_ends_there(data: bytes, length: int, cuts: list[int]) -> None:
    decoder = decoder_for(Framing(BodyKind.LENGTH, length))
    assert _feed(decoder, data, cuts) == (data[:length], data[length:])
    assert decoder.done == (len(data) >= length)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"5\r\nhello\r\n",
                b"0\r\n",
                b"\r\n",
                b"\n",
                b"\r",
                b"a: b\r\n",
                b";x",
                b"5",
                b" ",
                b"\0",
            ]
        ),
        max_size=8,
    ),
    _CUTS,
)
def test_what_the_decoder_accepts_h11_reads_alike(pieces: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(pieces)
    decoder = ChunkDecoder()
    try:
        payload, behind = _feed(decoder, wire, cuts)
    except MessageRefusedError:
        return
    if decoder.done:
        assert _h11_body(wire) == (payload, behind)


def _h11_body(wire: bytes) -> tuple[bytes, bytes]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + wire
    )
    payload = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert not isinstance(event, type)
        if isinstance(event, h11.Data):
            payload += bytes(event.data)
    return payload, bytes(connection.trailing_data[0])


@pytest.mark.parametrize("wire", [b"5\r\nhell", b"5\r\nhello\r\n", b"", b"0\r\n"])
def test_the_end_of_the_connection_inside_a_chunked_body_is_an_error(wire: bytes) -> None:
    decoder = ChunkDecoder()
    _feed(decoder, wire, [])
    with pytest.raises(MessageRefusedError):
        decoder.finish()


def test_the_end_of_the_connection_ends_a_body_without_framing() -> None:
    decoder = decoder_for(UNTIL_CLOSE)
    assert _feed(decoder, b"all of it", [2]) == (b"all of it", b"")
    decoder.finish()
    assert decoder.done


@pytest.mark.parametrize(
    ("method", "status", "declared", "expected"),
    [
        (b"HEAD", 200, CHUNKED, NO_BODY),
        (b"GET", 103, None, NO_BODY),
        (b"GET", 204, CHUNKED, NO_BODY),
        (b"GET", 304, CHUNKED, NO_BODY),
        (b"GET", 200, CHUNKED, CHUNKED),
        (b"GET", 200, None, UNTIL_CLOSE),
    ],
)
def test_bodies_of_responses_follow_method_and_status(
    method: bytes, status: int, declared: Framing | None, expected: Framing
) -> None:
    assert response_framing(method, status, declared) == expected


def test_trailers_that_frame_route_or_authenticate_are_dropped() -> None:
    decoder = ChunkDecoder()
    wire = b"0\r\nX-Sum: 1\r\nContent-Length: 9\r\nHOST: a\r\nX-Forwarded-For: b\r\n\r\n"
    _feed(decoder, wire, [])
    assert encode(BodyKind.CHUNKED, b"", decoder) == b"0\r\nX-Sum: 1\r\n\r\n"
