from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnet.edge.errors import MessageRefusedError
from vnet.edge.syntax import HeadScanner, check_request_head, check_response_head


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", "bare CR"),
        (b"GET / HTTP/1.1\r\nX: a\nb\r\n\r\n", "bare LF"),
        (b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", "0x00"),
        (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "obs-fold"),
        (b"GET / HTTP/1.1\r\nX : a\r\n\r\n", "between a field name and its colon"),
        (b"GET / HTTP/1.1\r\nX\r\n\r\n", "without a colon"),
        (b"GET / HTTP/1.1\r\nX(: a\r\n\r\n", "characters that names"),
        (b"GET /\r\n\r\n", "request line"),
    ],
)
def test_a_refusal_names_the_broken_rule(head: bytes, reason: str) -> None:
    with pytest.raises(MessageRefusedError, match=reason):
        check_request_head(head)


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 200 OK", b"HTTP/1.0 404 ", b"HTTP/1.1 200", b"HTTP/1.1 299 \xc3\xa9 x"]
)
def test_status_lines_of_real_servers_pass(line: bytes) -> None:
    check_response_head(line + b"\r\nX: y\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/2 200 OK", b"ICY 200 OK", b"HTTP/1.1  200"],
)
def test_other_status_lines_do_not(line: bytes) -> None:
    with pytest.raises(MessageRefusedError, match="status line"):
        check_response_head(line + b"\r\nX: y\r\n\r\n")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_heads_are_accepted_or_refused(data: bytes) -> None:
    for check in (check_request_head, check_response_head):
        with pytest.raises(MessageRefusedError):
            check(data + b"\r\n\r\n")


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([b"GET / HTTP/1.1", b"X: y", b"\r\n", b"\r", b"\n", b"\0"]), max_size=20
    ),
    st.lists(st.integers(1, 9), max_size=30),
)
def test_where_the_bytes_are_cut_changes_nothing(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    assert _scan(data, cuts) == _scan(data, [1] * len(data))


def _scan(data: bytes, cuts: list[int]) -> list[bytes | str]:
    scanner, buffer, found = HeadScanner(), bytearray(), list[bytes | str]()
    position = 0
    for cut in [*cuts, len(data)]:
        buffer += data[position : position + cut]
        position += cut
        try:
            while (head := scanner.take(buffer)) is not None:
                check_request_head(head)
                found.append(head)
        except MessageRefusedError:
            return [*found, "refused"]
    return found
