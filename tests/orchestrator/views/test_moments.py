from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.views.moments import moment_text, parse_moment

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", NOW_S - 300),
        ("1m30s", NOW_S - 90),
        ("1700000000", 1_700_000_000.0),
        ("1700000000.25", 1_700_000_000.25),
        ("2026-01-31T12:00:00Z", 1_769_860_800.0),
        ("2026-01-31T12:00:00.5Z", 1_769_860_800.5),
        ("2026-01-31T14:00:00+02:00", 1_769_860_800.0),
        ("2026-01-31 12:00Z", 1_769_860_800.0),
        ("30d", NOW_S - 30 * 86_400),
    ],
)
def test_a_moment_is_a_duration_ago_a_time_or_seconds_since_1970(text: str, seconds: float) -> None:
    assert parse_moment(text, NOW_S) == seconds


def test_a_time_without_a_zone_is_the_machines() -> None:
    assert parse_moment("2026-01-31", NOW_S) == datetime(2026, 1, 31).astimezone().timestamp()


@pytest.mark.parametrize("text", ["", "5", "yesterday", "2026", "2026-1-1", "-5m", "5 m", "1e9"])
def test_what_is_no_moment_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match='expected a duration such as "5m"'):
        parse_moment(text, NOW_S)


def test_a_day_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="there is no time"):
        parse_moment("2026-02-30", NOW_S)


@given(
    moment=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_every_time_that_programs_are_given_is_read_back(moment: datetime, minutes: int) -> None:
    seconds = moment.replace(tzinfo=UTC).timestamp()
    text = moment_text(seconds)
    assert abs(parse_moment(text, NOW_S) - seconds) < 2e-6
    there = datetime.fromtimestamp(seconds, timezone(timedelta(minutes=minutes)))
    assert abs(parse_moment(there.isoformat(), NOW_S) - seconds) < 2e-6


@given(text=st.text())
def test_any_text_is_a_moment_or_a_clear_refusal(text: str) -> None:
    try:
        assert parse_moment(text, NOW_S) >= 0
    except ValueError as error:
        assert "time" in str(error)
