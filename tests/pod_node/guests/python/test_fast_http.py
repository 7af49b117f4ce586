"""Headers read the fast way are the object that the standard library makes."""

from __future__ import annotations

import email.parser
import http.client
import importlib.util
import io
from types import ModuleType

from hypothesis import example, given
from hypothesis import strategies as st

import pod_node

SOURCE = f"{pod_node.__path__[0]}/guests/python/podnet_guest/fast_http.py"


def load_fast_http() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fast_http", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def adjusted_client() -> ModuleType:
    """`http.client` a second time, adjusted, beside the one in use."""
    spec = importlib.util.find_spec("http.client")
    assert spec is not None
    assert spec.loader is not None
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    load_fast_http().adjust_client(client)
    return client


CLIENT = adjusted_client()

names = st.sampled_from(
    [
        "Host",
        "content-type",
        "Content-Length",
        "X-A",
        "",
        "From ",
        "Bad Name",
        "\xe9",
        "A\tb",
        "From",
    ]
)
values = st.one_of(
    st.sampled_from(
        ["text/plain", "multipart/mixed; boundary=x", "message/rfc822", " MULTIPART/form-data", "7"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=12),
)
ends = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n ", "\n\t", ""])
lines = st.lists(
    st.builds(
        "{}{}{}{}".format, names, st.sampled_from([":", ": ", ":\t ", "", " : "]), values, ends
    ),
    max_size=6,
)


def parsed(client: ModuleType, block: bytes) -> object:
    message = client.parse_headers(io.BytesIO(block))
    defects = [(type(defect), defect.args) for defect in message.defects]
    state = {
        name: value for name, value in vars(message).items() if name not in ("policy", "defects")
    }
    payload = state.pop("_payload")
    flat = payload if isinstance(payload, str) else [part.as_string() for part in payload]
    return state, flat, defects, message.policy


@given(lines, st.sampled_from(["\r\n", "\n", "", "\r\nbody\r\n"]))
@example(["Host: a\r\n", "X-A:\r\n", "Content-Length:  7 \r\n"], "\r\n")
@example(["From me: a\r\n"], "\r\n")
@example(["X-A: one\rtwo\r\n"], "\r\n")
@example(["X-A: one\r\r\n"], "\r\n")
@example(["X-A: one\x0btwo\x85three\r\n"], "\r\n")
def test_headers_read_fast_are_those_of_the_standard_library(lines: list[str], end: str) -> None:
    block = ("".join(lines) + end).encode("latin-1")
    assert parsed(CLIENT, block) == parsed(http.client, block)


def test_plain_headers_do_not_take_the_slow_way() -> None:
    slow = email.parser.Parser.parsestr

    def refuse(*arguments: object) -> None:
        raise AssertionError("plain headers were given to email.parser")

    email.parser.Parser.parsestr = refuse  # type: ignore[assignment, method-assign]
    try:
        message = CLIENT.parse_headers(io.BytesIO(b"Host: a\r\nAccept: */*\r\n\r\n"))
    finally:
        email.parser.Parser.parsestr = slow  # type: ignore[method-assign]
    assert message.items() == [("Host", "a"), ("Accept", "*/*")]
