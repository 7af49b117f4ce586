"""Pods on two nodes of one machine, against a bare gRPC stream between two processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from tests.bench.bare_stream import Bounce, Listen, Pour, serve_bare_stream
from tests.bench.measures.round_trip import ROUND_TRIP, median_us
from tests.bench.measures.stream import STREAM, bytes_per_second
from tests.bench.nodes import two_nodes
from tests.bench.rows import Bound, Row
from tests.bench.sampling import alternate
from tests.bench.worker import Worker

ROUNDS = 5
SECONDS = 1.0
MESSAGE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class BareStream:
    """Two processes with a stream between them."""

    client: Worker
    address: str

    def ask(self, request: object) -> float:
        answer = self.client.ask(request)
        assert isinstance(answer, float)
        return answer


@contextmanager
def bare_stream() -> Iterator[BareStream]:
    """Start both processes."""
    with (
        TemporaryDirectory(prefix="podnet-") as folder,
        Worker(serve_bare_stream) as server,
        Worker(serve_bare_stream) as client,
    ):
        address = f"unix:{folder}/bare"
        server.ask(Listen(address))
        yield BareStream(client, address)


def measure() -> list[Row]:
    with bare_stream() as bare, two_nodes() as nodes:
        throughput = alternate(
            lambda: bytes_per_second(nodes.run(STREAM)) / 1e6,
            lambda: bare.ask(Pour(bare.address, MESSAGE_BYTES, SECONDS)) / 1e6,
            ROUNDS,
        )
        round_trip = alternate(
            lambda: median_us(nodes.run(ROUND_TRIP)),
            lambda: bare.ask(Bounce(bare.address, SECONDS)) * 1e6,
            ROUNDS,
        )
    return [
        throughput.row(
            name="one TCP stream between two nodes, C to C",
            unit="MB/s",
            bound=Bound(0.7, at_least=True),
            note=f"baseline: a bare gRPC stream of {MESSAGE_BYTES}-byte messages",
        ),
        round_trip.row(
            name="1-byte round trip between two nodes, C to C, median",
            unit="us",
            bound=Bound(2.5, at_least=False),
            note="baseline: one byte there and back on a bare gRPC stream",
        ),
    ]
