from __future__ import annotations

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.topology.interpolation import InterpolationError, Interpolator

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

VARIABLES = {"A": "1", "EMPTY": "", "B": "two"}


def expand(template: str) -> str:
    return Interpolator(VARIABLES).text(template)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("plain", "plain"),
        ("$A", "1"),
        ("${A}${B}", "1two"),
        ("$A$B-", "1two-"),
        ("$$A", "$A"),
        ("$${A}", "${A}"),
        ("${MISSING}", ""),
        ("${MISSING:-x}", "x"),
        ("${MISSING-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${A:-x}", "1"),
        ("${A:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${MISSING+x}", ""),
        ("${MISSING:-${B}}", "two"),
        ("${MISSING:-a${ALSO:-b$$c}d}", "ab$cd"),
        ("${A:?told}", "1"),
        ("${A:-${MISSING:?never asked}}", "1"),
        ("${EMPTY?told}", ""),
        ("{}", "{}"),
        ("}", "}"),
    ],
)
def test_variables_are_substituted_as_in_compose(template: str, result: str) -> None:
    assert expand(template) == result


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("${MISSING:?set it to a port}", "variable MISSING is required: set it to a port"),
        ("${EMPTY:?}", "variable EMPTY is required; set it"),
        ("${MISSING?}", "variable MISSING is required; set it"),
        ("cost: 5$", r'write "\$\$" for a plain dollar sign'),
        ("$1", r'write "\$\$" for a plain dollar sign'),
        ("$(date)", r'write "\$\$" for a plain dollar sign'),
        ("${}", "not followed by a variable name"),
        ("${A", r'"\$\{A" has no closing brace'),
        ("${A B}", r'"\$\{A" has no closing brace'),
        ("${A:-x", r'"\$\{A" has no closing brace'),
        ("${A/x/y}", r'"\$\{A" has no closing brace'),
        ("${A:-" * 100, "nested more than"),
    ],
)
def test_what_cannot_be_substituted_says_why(template: str, reason: str) -> None:
    with pytest.raises(InterpolationError, match=reason):
        expand(template)


def test_variables_without_a_value_are_remembered() -> None:
    interpolator = Interpolator(VARIABLES)
    interpolator.text("$X ${Y} ${Z:-} ${A:-$W}")
    assert list(interpolator.unset) == ["X", "Y"]


def test_a_result_is_bounded() -> None:
    with pytest.raises(InterpolationError, match="longer than"):
        Interpolator({"A": "x" * 600_000}).text("$A$A")


@calm
@given(st.text(alphabet="AB$${}:-?+x_1 "))
def test_any_template_gives_a_text_or_an_interpolation_error(template: str) -> None:
    try:
        expand(template)
    except InterpolationError as error:
        assert str(error)


@calm
@given(st.text())
def test_a_text_with_doubled_dollars_stays_as_it_was(text: str) -> None:
    assert expand(text.replace("$", "$$")) == text
