"""Where the values of `${NAME}` come from, and which of them were used.

Owns the lookup in several places, one after the other, and the note of what was found: with those
variables alone a topology reads the same again, wherever and whenever that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Layered(Mapping[str, str]):
    """Variables of several places; the first that has one decides."""

    def __init__(self, *places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> str:
        for place in self._places:
            if name in place:
                return place[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for place in self._places for name in place))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Noted(Mapping[str, str]):
    """Variables that remember which of them were looked up."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.used: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self._variables[name]
        self.used[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)
