"""Tools: each one that is missing is named with its remedy."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pod_node.images.recipes.cpython import CPYTHON
from pod_node.images.recipes.errors import MissingToolsError
from pod_node.images.recipes.tools import find_tools


def test_missing_programs_are_all_named_with_what_installs_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolsError) as failure:
        find_tools(replace(CPYTHON, zig="0.0.1"))
    text = str(failure.value)
    assert f"{sys.executable} -m pip install ziglang==0.0.1" in text
    assert "apt-get install make" in text
    assert "apt-get install tcl" in text


def test_an_interpreter_is_taken_only_if_it_runs_and_has_the_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("make", "tclsh"):
        _script(tmp_path / name, "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    recipe = replace(CPYTHON, version="2.99")
    python = tmp_path / "python2.99"
    for answer in ("exit 127", "echo cpython 2.98", "echo pypy 2.99"):
        _script(python, answer)
        assert find_tools(recipe).python is None
    _script(python, "echo cpython 2.99")
    assert find_tools(recipe).python == python


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
