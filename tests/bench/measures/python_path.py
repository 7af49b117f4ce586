"""Whether any byte that one pod sends to another goes through Python."""

from __future__ import annotations

from tests.bench.cases import Case, Side
from tests.bench.node import PodNode
from tests.bench.rows import Bound, Row

SECONDS = 2.5

CASES = {
    "C to C": Case(
        server=("stream", "receive"),
        client=("stream", "send", "{address}", "{port}", str(SECONDS), "131072", "{start_ns}"),
        reporter=Side.SERVER,
    ),
    "CPython to CPython": Case(
        server=("http_server.py",),
        client=("http_client.py", "keep", "{address}", "{port}", str(SECONDS)),
        reporter=Side.CLIENT,
    ),
}


def measure() -> list[Row]:
    with PodNode() as node:
        return [
            Row(
                name=f"Python calls in the node while pods talk, {words}",
                unit="calls",
                value=node.count_python_calls(case),
                bound=Bound(0, at_least=False),
                note=(
                    "calls of any Python function on any guest's or kernel's thread, or of the "
                    "node's own on the event loop, in the middle of a transfer; no call, no byte"
                ),
            )
            for words, case in CASES.items()
        ]
