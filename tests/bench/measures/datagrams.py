"""Whether links treat datagrams as they are told to, as C programs in pods see it.

All links are measured at the same time, in one node. What is lost, doubled, reordered or damaged
is decided by the seed and by how many datagrams came before, so it is the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

from tests.bench.cases import Report
from tests.bench.rows import Bound, Row
from tests.bench.sampling import span
from tests.bench.scenes import Cell, run_cells
from vnet.configuration import Distribution, GilbertElliott, LinkParameters

MS = 1_000_000
DATAGRAMS = 4000
SIZES = (24, 1400)
"""Bytes of payload, from a header to what no link fragments."""
FRAGMENTED = (4000, 4000)
FRAGMENTS = 3
"""Of such a datagram on a link with an MTU of 1500 bytes."""
DEVIATIONS_99_9 = 3.29
"""Of 1,000 binomial samples, 999 are within so many standard deviations."""

NORMAL_QUARTILES = 1.349
"""The distance of a normal distribution's quartiles, in standard deviations."""

BURSTS = GilbertElliott(good_to_bad=0.02, bad_to_good=0.2)


def lost(report: Report) -> float:
    """Count what did not get to the receiver's buffer."""
    return DATAGRAMS - report["arrived"] - report["overflowed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A link, what it should do to a share of the datagrams, and which figure shows that."""

    link: LinkParameters
    share: float = 0.0
    figure: Callable[[Report], float] = lost
    sizes: tuple[int, int] = SIZES
    checked: bool = True
    clustering: float = 1.0
    """How much further than independent events a number strays: of bursts, more than 1."""

    @property
    def cell(self) -> Cell:
        """The pair of pods that tries it."""
        least, most = map(str, self.sizes)
        return Cell(
            link=self.link,
            server=("datagrams", "receive", str(int(self.checked))),
            client=("datagrams", "send", "{address}", "{port}", str(DATAGRAMS), least, most),
        )

    def deviations(self, report: Report) -> float:
        """How far the figure is from what was asked for, in standard deviations."""
        expected = DATAGRAMS * self.share
        deviation = self.clustering * sqrt(expected * (1 - self.share))
        return (self.figure(report) - expected) / deviation

    def shares(self, report: Report) -> str:
        """Say what was seen and what was asked for."""
        return f"{self.figure(report) / DATAGRAMS:.2%} of {self.share:.2%}"


def _bursts() -> Trial:
    """A chain of two states: its share in the bad one, and the spread that its memory adds."""
    turnover = BURSTS.good_to_bad + BURSTS.bad_to_good
    return Trial(
        link=LinkParameters(delay_ns=MS, gilbert_elliott=BURSTS),
        share=BURSTS.good_to_bad / turnover,
        clustering=sqrt((2 - turnover) / turnover),
    )


LOSSES = (
    *(Trial(link=LinkParameters(delay_ns=MS, loss=loss), share=loss) for loss in (0.01, 0.2)),
    _bursts(),
    Trial(
        link=LinkParameters(delay_ns=MS, loss=0.02),
        share=1 - 0.98**FRAGMENTS,
        sizes=FRAGMENTED,
    ),
)
SHARES: Mapping[str, tuple[Trial, ...]] = {
    "lost": LOSSES,
    "twice": (
        Trial(
            link=LinkParameters(delay_ns=MS, duplicate=0.05),
            share=0.05,
            figure=lambda report: report["copies"],
        ),
    ),
    "before their turn": (
        Trial(
            link=LinkParameters(delay_ns=20 * MS, reorder=0.1),
            share=0.1,
            figure=lambda report: report["early"],
        ),
    ),
    "corrupt": (
        Trial(link=LinkParameters(delay_ns=MS, corrupt=0.05), share=0.05),
        Trial(
            link=LinkParameters(delay_ns=MS, corrupt=0.05),
            share=0.05,
            figure=lambda report: report["damaged"],
            checked=False,
        ),
    ),
}
"""What a figure counts, and where."""
DELAYS = (
    LinkParameters(delay_ns=10 * MS),
    LinkParameters(delay_ns=150 * MS),
)
JITTERS: Mapping[LinkParameters, float] = {
    LinkParameters(
        delay_ns=40 * MS, jitter_ns=8 * MS, distribution=Distribution.NORMAL
    ): NORMAL_QUARTILES * 8 * MS,
    LinkParameters(delay_ns=40 * MS, jitter_ns=15 * MS): 15 * MS,
}
"""Each with the distance of its quartiles: what a busy machine adds to a few delays moves the
standard deviation, but not them."""


def measure() -> list[Row]:
    trials = [trial for some in SHARES.values() for trial in some]
    delayed = [Trial(link=link) for link in (*DELAYS, *JITTERS)]
    reports = run_cells([trial.cell for trial in (*trials, *delayed)])
    of_trial = dict(zip((*trials, *delayed), reports, strict=True))
    of_delayed = {trial.link: of_trial[trial] for trial in delayed}
    return [
        _whole_row(of_trial),
        *(_share_row(what, {t: of_trial[t] for t in some}) for what, some in SHARES.items()),
        _delay_row(of_delayed),
        _jitter_row(of_delayed),
    ]


def _whole_row(reports: Mapping[Trial, Report]) -> Row:
    faults = 0.0
    overflowed = sum(report["overflowed"] for report in reports.values())
    for trial, report in reports.items():
        faults += report["damaged"] if trial.checked else 0
        faults += 0 if trial.link.jitter_ns or trial.link.reorder else report["early"]
    return Row(
        name="datagrams cut, merged, changed or out of order",
        unit="",
        value=faults,
        bound=Bound(0.0, at_least=False),
        note=f"of {len(reports) * DATAGRAMS:,} of {SIZES[0]} to {FRAGMENTED[1]} bytes, but for "
        f"what links were told to do; {overflowed:.0f} found no room with their receivers",
    )


def _share_row(what: str, reports: Mapping[Trial, Report]) -> Row:
    deviations = [trial.deviations(report) for trial, report in reports.items()]
    return Row(
        name=f"datagrams {what}, off by",
        unit="deviations",
        value=max(map(abs, deviations)),
        bound=Bound(DEVIATIONS_99_9, at_least=False),
        spread=", ".join(trial.shares(report) for trial, report in reports.items()),
        note=f"standard deviations of the binomial; {DATAGRAMS:,} datagrams on each link",
    )


def _delay_row(reports: Mapping[LinkParameters, Report]) -> Row:
    errors = [(report["median_ns"] - link.delay_ns) / MS for link, report in reports.items()]
    return Row(
        name="delay of datagrams, off by",
        unit="ms",
        value=max(map(abs, errors)),
        bound=Bound(1.0, at_least=False),
        spread=span(errors),
        note="the worst median of links of 10 to 150 ms, with jitter and without",
    )


def _jitter_row(reports: Mapping[LinkParameters, Report]) -> Row:
    shares = [reports[link]["quartiles_ns"] / asked for link, asked in JITTERS.items()]
    return Row(
        name="jitter of datagrams, off by",
        unit="%",
        value=max(abs(share - 1) * 100 for share in shares),
        bound=Bound(10.0, at_least=False),
        spread=span(shares),
        note="between the quartiles of delays, normal and uniform; the spread is measured over "
        "asked",
    )
