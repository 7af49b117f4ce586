"""WebAssembly's binary format, as far as finding an instruction in it takes. Pure.

Owns numbers, sections, types and the lengths of instructions: those of the core specification 3.0
(with garbage collection, exceptions, tail calls, SIMD, several memories) and of threads and wide
arithmetic. Validates nothing: whoever compiles the module does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

HEADER = b"\0asm\1\0\0\0"
_VOID = 0x40
_REFERENCE_TYPES = (0x63, 0x64)
"""A reference type whose heap type follows; all other value types are one byte."""
_END = 0x0B


class UnknownCodeError(Exception):
    """Something that is not known here, or no WebAssembly at all."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a module: its number and its content."""

    number: int
    content: bytes


def leb(value: int) -> bytes:
    """Write an unsigned number."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


class Reader:
    """Reads from a place in some bytes on.

    Raises:
        UnknownCodeError: from every method: there are too few bytes, or other ones than known.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    @property
    def ended(self) -> bool:
        """Whether all was read."""
        return self.at >= len(self.data)

    def byte(self) -> int:
        """Read a byte."""
        self.at += 1
        if self.at > len(self.data):
            raise UnknownCodeError("it ends too early")
        return self.data[self.at - 1]

    def number(self) -> int:
        """Read an unsigned number."""
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise UnknownCodeError("a number is too long")

    def skip(self, count: int) -> None:
        """Pass over some bytes."""
        self.at += count
        if self.at > len(self.data):
            raise UnknownCodeError("it ends too early")

    def skip_numbers(self, count: int) -> None:
        """Pass over some numbers, signed or not."""
        for _ in range(count):
            while self.byte() >= 0x80:
                pass

    def taken(self, count: int) -> bytes:
        """Read some bytes."""
        self.skip(count)
        return self.data[self.at - count : self.at]

    def value_type(self) -> bytes:
        """Read a value type, or the storage type of a field."""
        start = self.at
        if self.byte() in _REFERENCE_TYPES:
            self.skip_numbers(1)
        return self.data[start : self.at]

    def limits(self) -> int:
        """Read the limits of a table or memory; return the least."""
        flags = self.number()
        least = self.number()
        self.skip_numbers(flags & 1)
        return least


def sections(module: bytes) -> Iterator[Section]:
    """Read a module's sections, in order.

    Raises:
        UnknownCodeError: it is no module.
    """
    if not module.startswith(HEADER):
        raise UnknownCodeError("it is no WebAssembly module")
    reader = Reader(module, len(HEADER))
    while not reader.ended:
        number = reader.byte()
        yield Section(number, reader.taken(reader.number()))


def joined(parts: list[Section]) -> bytes:
    """Write a module of these sections."""
    written = [HEADER]
    for part in parts:
        written += (bytes((part.number,)), leb(len(part.content)), part.content)
    return b"".join(written)


def skip_instruction(reader: Reader) -> int:
    """Pass over one instruction and return its opcode.

    Raises:
        UnknownCodeError: it is not known.
    """
    opcode = reader.byte()
    if opcode in _NUMBERS:
        reader.skip_numbers(_NUMBERS[opcode])
    elif opcode in _SPECIAL:
        _SPECIAL[opcode](reader)
    elif not 0x45 <= opcode <= 0xC4:
        raise UnknownCodeError(f"instruction {opcode:#04x}")
    return opcode


def skip_expression(reader: Reader) -> None:
    """Pass over a constant expression: it has no blocks."""
    while skip_instruction(reader) != _END:
        pass


_NUMBERS = (
    dict.fromkeys((0x00, 0x01, 0x05, 0x0A, 0x0B, 0x0F, 0x19, 0x1A, 0x1B, 0xD1, 0xD3, 0xD4), 0)
    | dict.fromkeys((0x07, 0x08, 0x09, 0x0C, 0x0D, 0x10, 0x12, 0x14, 0x15, 0x18), 1)
    | dict.fromkeys(range(0x20, 0x27), 1)
    | dict.fromkeys((0x3F, 0x40, 0x41, 0x42, 0xD0, 0xD2, 0xD5, 0xD6), 1)
    | dict.fromkeys((0x11, 0x13), 2)
)
"""How many numbers follow an opcode, of those that nothing else follows."""
_GC = (
    dict.fromkeys((0, 1, 6, 7, 11, 12, 13, 14, 16, 20, 21, 22, 23), 1)
    | dict.fromkeys((2, 3, 4, 5, 8, 9, 10, 17, 18, 19), 2)
    | dict.fromkeys((15, 26, 27, 28, 29, 30), 0)
)
_MISC = (
    dict.fromkeys((*range(8), 19, 20, 21, 22), 0)
    | dict.fromkeys((9, 11, 13, 15, 16, 17, 18), 1)
    | dict.fromkeys((8, 10, 12, 14), 2)
)
_HAS_MEMORY = 0x40
"""In an alignment: the number of a memory follows."""


def _memory(reader: Reader) -> None:
    if reader.number() & _HAS_MEMORY:
        reader.skip_numbers(1)
    reader.skip_numbers(1)


def _block(reader: Reader) -> None:
    first = reader.data[reader.at] if not reader.ended else _VOID
    if first in _REFERENCE_TYPES:
        reader.value_type()
    else:
        reader.skip_numbers(1)


def _try_table(reader: Reader) -> None:
    _block(reader)
    for _ in range(reader.number()):
        reader.skip_numbers(2 if reader.byte() in (0, 1) else 1)


def _branch_table(reader: Reader) -> None:
    reader.skip_numbers(reader.number() + 1)


def _typed_select(reader: Reader) -> None:
    for _ in range(reader.number()):
        reader.value_type()


def _gc(reader: Reader) -> None:
    opcode = reader.number()
    if opcode in (24, 25):  # branches on casts have flags before three numbers
        reader.byte()
        reader.skip_numbers(3)
    elif opcode in _GC:
        reader.skip_numbers(_GC[opcode])
    else:
        raise UnknownCodeError(f"instruction 0xfb {opcode}")


def _misc(reader: Reader) -> None:
    opcode = reader.number()
    if opcode not in _MISC:
        raise UnknownCodeError(f"instruction 0xfc {opcode}")
    reader.skip_numbers(_MISC[opcode])


def _simd(reader: Reader) -> None:
    opcode = reader.number()
    if opcode <= 11 or opcode in (92, 93):
        _memory(reader)
    elif opcode in (12, 13):
        reader.skip(16)
    elif 21 <= opcode <= 34:
        reader.skip(1)
    elif 84 <= opcode <= 91:
        _memory(reader)
        reader.skip(1)


def _atomic(reader: Reader) -> None:
    if reader.number() == 3:  # the fence
        reader.skip(1)
    else:
        _memory(reader)


_SPECIAL = (
    dict.fromkeys(range(0x28, 0x3F), _memory)
    | dict.fromkeys((0x02, 0x03, 0x04, 0x06), _block)
    | {
        0x0E: _branch_table,
        0x1C: _typed_select,
        0x1F: _try_table,
        0x43: lambda reader: reader.skip(4),
        0x44: lambda reader: reader.skip(8),
        0xFB: _gc,
        0xFC: _misc,
        0xFD: _simd,
        0xFE: _atomic,
    }
)
