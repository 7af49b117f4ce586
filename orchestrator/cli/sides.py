"""The sides of a partition or a hold as they stand on a command line.

Owns the reading of `web api,store` and of the ways to write the same with separators. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEPARATORS = ("|", "/", ":", "--")
_SEPARATOR = re.compile(r"[|/:]")


def parse_sides(words: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Read sides: each word is one, its members joined by commas.

    With a separator among the words (`|`, `/`, `:` or `--`), the words between two separators are a
    side together.

    Raises:
        ValueError: there are fewer than two sides, or a side without a member.
    """
    tokens = [token for word in words for token in _SEPARATOR.sub(r" \g<0> ", word).split()]
    sides: list[list[str]] = [[]]
    if any(token in _SEPARATORS for token in tokens):
        for token in tokens:
            if token in _SEPARATORS:
                sides.append([])
            else:
                sides[-1].extend(token.split(","))
    else:
        sides = [token.split(",") for token in tokens]
    if len(sides) < 2:
        raise ValueError("needs two sides, for example: web api,store")
    if not all(side and all(side) for side in sides):
        raise ValueError("there is nobody on one side; write for example: web api,store")
    return tuple(tuple(side) for side in sides)
