from __future__ import annotations

import pytest

from orchestrator.cli.figures import milliseconds, rate_text, size_text
from orchestrator.events.wording import rounded_duration


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        ((1 << 20) - 1, "1.0 MiB"),
        (1536, "1.5 KiB"),
        (5 << 40, "5.0 TiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_sizes_are_in_powers_of_1024(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("rate", "text"), [(0, "0 bit/s"), (125_000, "1.0 Mbit/s")])
def test_rates_are_in_bits_and_powers_of_1000(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_a_time_that_was_not_measured_is_no_time() -> None:
    assert (milliseconds(0), milliseconds(1_250_000)) == ("-", "1.2 ms")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0304, "30ms"),
        (0.9996, "1s"),
        (1.0, "1s"),
        (9.995, "10s"),
        (9.04, "9s"),
        (59.94, "59.9s"),
        (59.97, "1m"),
        (90.4, "1m30s"),
        (3599.7, "1h"),
        (5400, "1h30m"),
        (90_061, "25h1m1s"),
    ],
)
def test_durations_are_as_exact_as_a_person_wants_them(seconds: float, text: str) -> None:
    assert rounded_duration(seconds) == text
