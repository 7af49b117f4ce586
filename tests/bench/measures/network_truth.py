"""Whether links do what they are told, as C programs in pods see it: TCP against theory, rates,
fairness, delays.

All cells of a scene run at the same time in one node, each pair of pods with a link of its own.
"""

from __future__ import annotations

from itertools import product
from math import exp, log, sqrt
from statistics import fmean

from tests.bench.cases import Report, Side
from tests.bench.nodes import two_nodes
from tests.bench.rows import Bound, Row
from tests.bench.sampling import span
from tests.bench.scenes import Cell, run_cells
from vnet.configuration import LinkParameters

MS = 1_000_000
SECONDS = 20.0
MSS_BYTES, HEADER_BYTES = 1460, 40
RATE_BIT_S = 10_000_000
DELAYS_MS = (0, 10, 50, 100)
LOSSES = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1)
WINDOWS = (8192, 32_768, 131_072)
SMALL_LOSS, SMALL_WINDOW = 0.05, 8192

RATES_BIT_S = (1_000_000, 10_000_000, 100_000_000)
FLOWS = 8
PINGS = 20
PING_DELAYS_MS = (5, 20, 80, 200)
LARGE_WINDOW = 1 << 20


def measure() -> list[Row]:
    return [*_tcp_rows(), *_rate_rows(), _fairness_row(), *_shared_rows(), _delay_row()]


def _transfer(link: LinkParameters, window: int, seconds: float = SECONDS) -> Cell:
    return Cell(
        link=link,
        server=("truth", "receive", str(window), str(seconds)),
        client=("truth", "send", "{address}", "{port}"),
    )


def _bytes_per_second(report: Report) -> float:
    return report["bytes"] / report["seconds"]


def _goodput(rate_bit_s: int) -> float:
    """Bytes of a stream a second that full segments carry at a rate of layer 3."""
    return rate_bit_s / 8 * MSS_BYTES / (MSS_BYTES + HEADER_BYTES)


def _theory(delay_ms: int, loss: float, window: int) -> float:
    """The least of the rate, window / RTT, and Mathis et al.'s 1.22 MSS / (RTT sqrt(p))."""
    wire_s = (MSS_BYTES + 2 * HEADER_BYTES) * 8 / RATE_BIT_S
    rtt_s = 2 * delay_ms / 1e3 + wire_s
    limits = [_goodput(RATE_BIT_S), window / rtt_s]
    if loss:
        limits.append(1.22 * MSS_BYTES / (rtt_s * sqrt(loss)))
    return min(limits)


def _tcp_rows() -> list[Row]:
    cells = list(product(LOSSES, DELAYS_MS, WINDOWS))
    reports = run_cells(
        [
            _transfer(LinkParameters(delay_ns=delay * MS, loss=loss, rate_bit_s=RATE_BIT_S), window)
            for loss, delay, window in cells
        ]
    )
    shares: dict[float, list[float]] = {loss: [] for loss in LOSSES}
    for (loss, delay, window), report in zip(cells, reports, strict=True):
        shares[loss].append(_bytes_per_second(report) / _theory(delay, loss, window))
    small = [
        share
        for (_, delay, window), share in zip(
            product((SMALL_LOSS,), DELAYS_MS, WINDOWS), shares[SMALL_LOSS], strict=True
        )
        if delay and window == SMALL_WINDOW
    ]
    return [*(_tcp_row(loss, shares[loss]) for loss in LOSSES), _small_window_row(small)]


def _tcp_row(loss: float, shares: list[float]) -> Row:
    mean = exp(fmean(map(log, shares)))
    bound = Bound(1.1 if not loss else 1.43, at_least=False) if loss <= 0.05 else None
    return Row(
        name=f"TCP at {loss:.1%} loss, off theory",
        unit="factor",
        value=max(mean, 1 / mean),
        bound=bound,
        spread=span(shares),
        note=f"geometric mean over delays {DELAYS_MS} ms and windows {WINDOWS}; the spread is of "
        "measured over expected",
    )


def _small_window_row(shares: list[float]) -> Row:
    return Row(
        name=f"TCP at {SMALL_LOSS:.0%} loss through {SMALL_WINDOW} bytes, of theory",
        unit="factor",
        value=fmean(shares),
        bound=Bound(0.7, at_least=True),
        spread=span(shares),
        note="the cells where the window and loss limit a flow alike, over the delays but 0",
    )


def _rate_rows() -> list[Row]:
    cells = [
        _transfer(LinkParameters(delay_ns=5 * MS, rate_bit_s=rate), LARGE_WINDOW)
        for rate in RATES_BIT_S
    ]
    shares = [
        _bytes_per_second(report) / _goodput(rate)
        for rate, report in zip(RATES_BIT_S, run_cells(cells), strict=True)
    ]
    return [
        Row(
            name=f"rate of {rate // 1_000_000} Mbit/s, off by",
            unit="%",
            value=abs(share - 1) * 100,
            bound=Bound(2.0, at_least=False),
            note="bytes of one TCP stream against what full segments carry",
        )
        for rate, share in zip(RATES_BIT_S, shares, strict=True)
    ]


def _fairness_row() -> Row:
    link = LinkParameters(delay_ns=10 * MS, rate_bit_s=RATE_BIT_S)
    rates = [
        _bytes_per_second(report)
        for report in run_cells([_transfer(link, LARGE_WINDOW)] * FLOWS, shared=True)
    ]
    return Row(
        name=f"{FLOWS} TCP streams on one link, Jain's index",
        unit="",
        value=_jain(rates),
        bound=Bound(0.95, at_least=True),
        spread=span(rates),
        note=f"sum {sum(rates) / _goodput(RATE_BIT_S):.3f} of the rate",
    )


def _shared_rows() -> list[Row]:
    link = LinkParameters(delay_ns=10 * MS, rate_bit_s=RATE_BIT_S)
    with two_nodes() as nodes:
        cells = [_transfer(link, LARGE_WINDOW)] * (FLOWS // 2)
        rates = [_bytes_per_second(report) for report in nodes.run_cells_on_each(cells)]
    return [
        Row(
            name=f"rate of a link that pods of two nodes share, {FLOWS} TCP streams, off by",
            unit="%",
            value=abs(sum(rates) / _goodput(RATE_BIT_S) - 1) * 100,
            bound=Bound(5.0, at_least=False),
            note="half of the streams on each node",
        ),
        Row(
            name="the same, Jain's index",
            unit="",
            value=_jain(rates),
            bound=Bound(0.95, at_least=True),
            spread=span(rates),
        ),
    ]


def _jain(rates: list[float]) -> float:
    return sum(rates) ** 2 / (len(rates) * sum(rate**2 for rate in rates))


def _delay_row() -> Row:
    cells = [
        Cell(
            link=LinkParameters(delay_ns=delay * MS),
            server=("truth", "echo"),
            client=("truth", "ping", "{address}", "{port}", str(PINGS)),
            reporter=Side.CLIENT,
        )
        for delay in PING_DELAYS_MS
    ]
    errors = [
        report["median_ns"] / MS - 2 * delay
        for delay, report in zip(PING_DELAYS_MS, run_cells(cells), strict=True)
    ]
    return Row(
        name="round trip, off by",
        unit="ms",
        value=max(map(abs, errors)),
        bound=Bound(1.0, at_least=False),
        spread=span(errors),
        note=f"the worst median of {PINGS} at delays of {PING_DELAYS_MS} ms one way",
    )
