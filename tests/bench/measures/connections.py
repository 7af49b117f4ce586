"""Ten thousand connections that nobody uses, between two CPython pods."""

from __future__ import annotations

from tests.bench.node import PodNode
from tests.bench.requests import Program
from tests.bench.rows import Bound, Row

CONNECTIONS = 10_000
PORT = 7000


def measure() -> list[Row]:
    with PodNode() as node:
        (address,) = node.boot([Program(("connections.py", "accept", str(PORT)))])
        before = node.fabric_bytes()
        node.boot([Program(("connections.py", "open", address, str(PORT), str(CONNECTIONS)))])
        each = (node.fabric_bytes() - before) / CONNECTIONS
    return [
        Row(
            name=f"{CONNECTIONS:,} idle connections, fabric memory each",
            unit="bytes",
            value=each,
            bound=Bound(8192.0, at_least=False),
            note="both ends and their buffers, after one byte each; the last one answers",
        )
    ]
