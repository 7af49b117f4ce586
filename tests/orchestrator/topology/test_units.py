from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.topology.units import (
    MAX_DURATION_S,
    MAX_RATE_BIT_S,
    format_cpus,
    format_duration,
    format_percentage,
    format_rate,
    format_size,
    parse_cpus,
    parse_duration,
    parse_percentage,
    parse_rate,
    parse_size,
)

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20ms", 0.02),
        ("1s", 1.0),
        ("1m30s", 90.0),
        ("1.5s", 1.5),
        ("1500ms", 1.5),
        ("2h", 7200.0),
        ("1d", 86_400.0),
        ("7us", 7e-6),
        ("7µs", 7e-6),
        ("3ns", 3e-9),
        ("0s", 0.0),
    ],
)
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["20", "0", "1.5", "-3"])
def test_a_duration_without_a_unit_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=f'has no unit; write for example "{text}s"'):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "s", "1 s", "1s ", "s1", "1x", "-1s", "1s2", "1.s", "\N{ARABIC-INDIC DIGIT ONE}s"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='such as "20ms"'):
        parse_duration(text)


def test_a_duration_has_an_end() -> None:
    with pytest.raises(ValueError, match="longer than 30 days"):
        parse_duration("31d")


@calm
@given(st.integers(0, MAX_DURATION_S * 10**9))
def test_a_duration_that_was_written_is_read_back(nanoseconds: int) -> None:
    seconds = parse_duration(f"{nanoseconds}ns")
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64k", 65_536),
        ("64kb", 65_536),
        ("64KiB", 65_536),
        ("128M", 128 * 1024**2),
        ("128 mb", 128 * 1024**2),
        ("1G", 1024**3),
        ("0.5g", 512 * 1024**2),
        ("100b", 100),
    ],
)
def test_sizes_are_read_in_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_size_without_a_unit_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match='size "128" has no unit; write for example "128M"'):
        parse_size("128")


@pytest.mark.parametrize("text", ["", "M", "-1M", "1X", "1Mi2", "1ib", "1  M", "M1"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='such as "64k"'):
        parse_size(text)


def test_half_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="not a whole number of bytes"):
        parse_size("0.3k")


@calm
@given(st.integers(0, 2**50))
def test_a_size_that_was_written_is_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "bit_s"),
    [
        ("1bit", 1),
        ("512kbit", 512_000),
        ("10mbit", 10_000_000),
        ("10 Mbit", 10_000_000),
        ("1.5gbit", 1_500_000_000),
        ("1tbit", 10**12),
    ],
)
def test_rates_are_read_in_bits_per_second(text: str, bit_s: int) -> None:
    assert parse_rate(text) == bit_s


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10", 'has no unit; write for example "10mbit"'),
        ("10mbps", "means bits to some and bytes to others"),
        ("10mb", 'such as "512kbit"'),
        ("-1mbit", 'such as "512kbit"'),
        ("fast", 'such as "512kbit"'),
        ("", 'such as "512kbit"'),
        ("0.1bit", "not a whole number of bits"),
        ("2tbit", "more than 1000gbit"),
    ],
)
def test_what_is_no_rate_is_refused_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rate(text)


@calm
@given(st.integers(0, MAX_RATE_BIT_S))
def test_a_rate_that_was_written_is_read_back(bit_s: int) -> None:
    assert parse_rate(format_rate(bit_s)) == bit_s


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("0.1%", 0.001), ("5%", 0.05), ("100%", 1.0), ("0%", 0.0), ("33.3 %", 0.333)],
)
def test_percentages_are_read_as_fractions(text: str, fraction: float) -> None:
    assert parse_percentage(text) == fraction


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", 'percentage "5" has no unit; write "5%"'),
        ("101%", "must be between 0% and 100%"),
        ("-1%", "must be between 0% and 100%"),
        ("many%", 'such as "0.1%"'),
        ("", 'such as "0.1%"'),
    ],
)
def test_what_is_no_percentage_is_refused_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_percentage(text)


@calm
@given(st.decimals(0, 100, places=9, allow_nan=False))
def test_a_percentage_that_was_written_is_read_back(percent: Decimal) -> None:
    fraction = parse_percentage(f"{percent:f}%")
    assert parse_percentage(format_percentage(fraction)) == fraction


@calm
@given(st.text(alphabet="0123456789.%-+ kmgtbipsnuµhd", max_size=12))
def test_any_text_is_a_value_or_refused_in_words(text: str) -> None:
    for parse in (parse_rate, parse_percentage, parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert str(error)


@calm
@given(st.integers(10, 1_000_000))
def test_a_share_that_was_written_is_read_back(thousandths: int) -> None:
    cpus = thousandths / 1000
    assert parse_cpus(format_cpus(cpus)) == cpus


@calm
@given(st.text())
def test_any_text_is_a_share_or_refused(text: str) -> None:
    try:
        cpus = parse_cpus(text)
    except ValueError:
        return
    assert 0.01 <= cpus <= 1000
