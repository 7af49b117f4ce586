"""Recipes as values: edits fit exactly or not at all, and every part of a recipe counts."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node.images.recipes.cpython import CPYTHON
from pod_node.images.recipes.errors import EditError
from pod_node.images.recipes.recipe import Edit, Tarball


def edit(old: str, new: str) -> Edit:
    return Edit(path="a.h", old=old, new=new, why="a test")


@given(before=st.text("ab"), after=st.text("ab"), new=st.text())
def test_an_edit_changes_its_one_place_and_nothing_else(before: str, after: str, new: str) -> None:
    assert edit("int x", new).apply(f"{before}int x{after}") == f"{before}{new}{after}"


@pytest.mark.parametrize(("text", "times"), [("", 0), ("int y", 0), ("int x; int x", 2)])
def test_an_edit_that_does_not_fit_names_the_file_and_what_it_looked_for(
    text: str, times: int
) -> None:
    with pytest.raises(EditError, match=rf"a\.h does not fit: 'int x' occurs {times} times"):
        edit("int x", "void x").apply(text)


def test_a_change_of_any_part_gives_another_digest() -> None:
    other = Tarball(package="p", version="1", suffix="tar.gz", sha256="0" * 64)
    digests = {CPYTHON.digest}
    for part in fields(CPYTHON):
        match getattr(CPYTHON, part.name):
            case Tarball():
                changed: object = other
            case int(number):
                changed = number + 1
            case value:
                changed = value[:-1]
        digests.add(replace(CPYTHON, **{part.name: changed}).digest)  # type: ignore[arg-type]
    assert len(digests) == 1 + len(fields(CPYTHON))
    assert replace(CPYTHON).digest == CPYTHON.digest


def test_tarballs_are_named_as_debian_names_them() -> None:
    assert CPYTHON.python.filename == "python3.13_3.13.5.orig.tar.xz"
    assert all(len(tarball.sha256) == 64 for tarball in CPYTHON.tarballs)
