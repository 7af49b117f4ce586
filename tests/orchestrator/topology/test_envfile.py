from __future__ import annotations

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.topology.envfile import parse_env_file

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

TEXT = r"""
# a comment
A=1
export B = two words # and a comment
C='$A # stays'
D="line\nbreak $A \$A \"q\""
E=${A}-${HOST}
F=
HOME
NOT_SET
G=a#b
"""


def test_lines_are_read_as_in_compose() -> None:
    result = parse_env_file(TEXT, {"HOST": "h", "HOME": "/root"})
    assert not result.faults
    assert result.values == {
        "A": "1",
        "B": "two words",
        "C": "$A # stays",
        "D": 'line\nbreak 1 $A "q"',
        "E": "1-h",
        "F": "",
        "HOME": "/root",
        "G": "a#b",
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("=1", "expected NAME=value"),
        ("two words", "expected NAME=value"),
        ('A="open', "no closing"),
        ("A='b'c", "unexpected text after the closing quote"),
        ("A=$", "for a plain dollar sign"),
        ("A=\0", "NUL"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_number(line: str, reason: str) -> None:
    result = parse_env_file(f"X=1\n  {line}\nY=2", {})
    (fault,) = result.faults
    assert (fault.mark.line, fault.mark.column) == (2, 3)
    assert reason in fault.message
    assert result.values == {"X": "1", "Y": "2"}


@calm
@given(st.text())
def test_any_text_gives_values_or_faults(text: str) -> None:
    result = parse_env_file(text, {})
    assert all(fault.mark.line >= 1 for fault in result.faults)
