"""The keys that detach a terminal from a pod. Pure."""

from __future__ import annotations

import string

from orchestrator.topology.problems import quoted

DEFAULT_KEYS = "ctrl-p,ctrl-q"
_CONTROLS = "@" + string.ascii_lowercase + "[\\]^_"
"""In the order of the bytes that they send with Ctrl."""


def read_keys(text: str) -> bytes:
    """Read keys with commas between: letters, and `ctrl-` with one of `_CONTROLS`.

    Raises:
        ValueError: there is no such key.
    """
    return bytes(_key(name) for name in text.split(","))


def _key(name: str) -> int:
    prefix, _, letter = name.rpartition("-")
    if prefix == "ctrl" and len(letter) == 1 and letter in _CONTROLS:
        return _CONTROLS.index(letter)
    if len(name) == 1 and name in string.ascii_letters:
        return ord(name)
    raise ValueError(
        f"there is no key {quoted(name)}; a letter, or ctrl- and one of a-z @ [ \\ ] ^ _"
    )


class DetachKeys:
    """Looks for the keys in what is typed; what may be their beginning is held back."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def type(self, data: bytes) -> tuple[bytes, bool]:
        """Give what is to be passed on, and whether the keys were typed after it."""
        passed = bytearray()
        for byte in data:
            self._held += bytes((byte,))
            while not self._keys.startswith(self._held):
                passed.append(self._held[0])
                self._held = self._held[1:]
            if self._held == self._keys:
                self._held = b""
                return bytes(passed), True
        return bytes(passed), False
