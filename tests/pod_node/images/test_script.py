"""Which argument is the script, as CPython's own command line has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node.images.script import ScriptRule, resolve_script

RULE = ScriptRule(valued_options=("-X", "-W"), instead_of_script=("-c", "-m"))


@pytest.mark.parametrize(
    ("command", "resolved"),
    [
        ("python app.py x.py", "python /app/app.py x.py"),
        ("python ./sub/app.py", "python /app/sub/app.py"),
        ("python -u -X dev -Wignore app.py -c", "python -u -X dev -Wignore /app/app.py -c"),
        ("python /other/app.py", "python /other/app.py"),
        ("python -c app.py", "python -c app.py"),
        ("python -u -m app.py", "python -u -m app.py"),
        ("python -Bm app.py", "python -Bm app.py"),
        ("python -uX dev app.py", "python -uX dev /app/app.py"),
        ("python --version app.py", "python --version /app/app.py"),
        ("python -", "python -"),
        ("python", "python"),
    ],
)
def test_a_relative_script_is_in_the_working_folder(command: str, resolved: str) -> None:
    assert resolve_script(tuple(command.split()), "/app", RULE) == tuple(resolved.split())


@given(st.lists(st.text()))
def test_at_most_one_argument_changes(arguments: list[str]) -> None:
    argv = ("python", *arguments)
    resolved = resolve_script(argv, "/app", RULE)
    assert len(resolved) == len(argv)
    assert sum(a != b for a, b in zip(argv, resolved, strict=True)) <= 1
