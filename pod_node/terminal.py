"""The line discipline of a terminal: from keys to lines, echoes and signals. Pure.

What Linux's n_tty does by default, without the parts that are for printers: input is edited line by
line and echoed, control characters make signals, a carriage return counts as a line feed, and on
output a line feed brings the carriage back. A program can turn each of the three off (termios's
ECHO, ICANON, ISIG).
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import IntEnum


class Key(IntEnum):
    """Bytes that are not simply typed."""

    INTERRUPT = 0x03
    END_OF_FILE = 0x04
    BACKSPACE = 0x08
    TAB = 0x09
    LINE_FEED = 0x0A
    RETURN = 0x0D
    KILL = 0x15
    LITERAL_NEXT = 0x16
    WORD_ERASE = 0x17
    QUIT = 0x1C
    ERASE = 0x7F


LINE_MOST = 4096
"""Bytes of a line that is being edited, as on Linux; what is typed beyond is not taken."""
_SIGNALS = {Key.INTERRUPT: signal.SIGINT, Key.QUIT: signal.SIGQUIT}


@dataclass(frozen=True, slots=True)
class Modes:
    """What a program wants of its terminal."""

    echo: bool = True
    canonical: bool = True
    signals: bool = True


@dataclass(frozen=True, slots=True)
class Echo:
    """Show this."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The program may read this."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The program's next read, after all that is ready, finds the end."""


@dataclass(frozen=True, slots=True)
class Signal:
    """The program and what it has started get a signal."""

    number: int


Effect = Echo | Ready | End | Signal


class LineDiscipline:
    """The line that is being edited."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._literal = False

    def type(self, data: bytes, modes: Modes) -> list[Effect]:
        """Take what keys sent; neighbouring effects of a kind come as one."""
        effects: list[Effect] = []
        for byte in data:
            effects += self._key(byte, modes)
        return _joined(effects)

    def _key(self, byte: int, modes: Modes) -> list[Effect]:
        if self._literal:
            self._literal = False
            return self._insert(byte, modes)
        if modes.signals and byte in _SIGNALS:
            self._line.clear()
            return [*_shown(byte, modes), Signal(_SIGNALS[Key(byte)])]
        if byte == Key.RETURN:
            byte = Key.LINE_FEED
        if not modes.canonical:
            ready = Ready(bytes((*self._line, byte)))
            self._line.clear()
            return [*_shown(byte, modes), ready]
        return self._edit(byte, modes)

    def _edit(self, byte: int, modes: Modes) -> list[Effect]:
        match byte:
            case Key.LINE_FEED:
                return [*_shown(byte, modes), Ready(self._take() + b"\n")]
            case Key.END_OF_FILE:
                return [Ready(self._take())] if self._line else [End()]
            case Key.ERASE | Key.BACKSPACE:
                return self._erase(modes, self._last_character())
            case Key.KILL:
                return self._erase(modes, 0)
            case Key.WORD_ERASE:
                return self._erase(modes, self._last_word())
            case Key.LITERAL_NEXT:
                self._literal = True
                return []
            case _:
                return self._insert(byte, modes)

    def _insert(self, byte: int, modes: Modes) -> list[Effect]:
        if not modes.canonical:
            return [*_shown(byte, modes), Ready(bytes((byte,)))]
        if len(self._line) >= LINE_MOST:
            return [Echo(b"\a")] if modes.echo else []
        self._line.append(byte)
        return _shown(byte, modes)

    def _take(self) -> bytes:
        line = bytes(self._line)
        self._line.clear()
        return line

    def _last_character(self) -> int:
        """Say where the last character begins (UTF-8)."""
        start = len(self._line) - 1
        while start > 0 and self._line[start] & 0xC0 == 0x80:
            start -= 1
        return max(start, 0)

    def _last_word(self) -> int:
        line = bytes(self._line).rstrip(b" \t")
        return max(line.rfind(b" "), line.rfind(b"\t")) + 1

    def _erase(self, modes: Modes, start: int) -> list[Effect]:
        """Take the line back to `start`."""
        erased = bytes(self._line[start:])
        del self._line[start:]
        width = sum(map(_width, erased))
        return [Echo(b"\b \b" * width)] if width and modes.echo else []


def _width(byte: int) -> int:
    """Columns that the echo of a byte takes; the first of a character counts for all."""
    if byte == Key.TAB:
        return 1
    if byte < 0x20 or byte == Key.ERASE:
        return 2
    return 0 if byte & 0xC0 == 0x80 else 1


def _shown(byte: int, modes: Modes) -> list[Effect]:
    if not modes.echo:
        return []
    if byte == Key.LINE_FEED:
        return [Echo(b"\r\n")]
    if byte == Key.TAB:
        return [Echo(b" ")]
    if byte < 0x20 or byte == Key.ERASE:
        return [Echo(bytes((0x5E, byte ^ 0x40)))]
    return [Echo(bytes((byte,)))]


def _joined(effects: list[Effect]) -> list[Effect]:
    joined: list[Effect] = []
    for effect in effects:
        last = joined[-1] if joined else None
        if isinstance(effect, Echo) and isinstance(last, Echo):
            joined[-1] = Echo(last.data + effect.data)
        elif isinstance(effect, Ready) and isinstance(last, Ready):
            joined[-1] = Ready(last.data + effect.data)
        else:
            joined.append(effect)
    return joined


def shown(data: bytes) -> bytes:
    """Give what a program writes as its terminal shows it (ONLCR)."""
    return data.replace(b"\n", b"\r\n")
