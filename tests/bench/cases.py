"""A case: a server and a client program, run once or many times at once, natively or in pods."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

START_TOGETHER_S = 3.0
"""Ahead of a common start: time for all pairs to boot, connect and warm up (1.5 s seen for 64)."""

LISTENING = "listening "
"""How a server's first line begins; its port follows."""

Report = dict[str, float]
"""The line of JSON that one side of a pair prints."""


class Side(Enum):
    """Which program of a pair prints the report, and ends by itself."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What to run: the same files and arguments everywhere."""

    server: tuple[str, ...]
    """Program and arguments; the port to listen on is appended.

    A program is the name of a C file, or a Python file, in `programs/`."""
    client: tuple[str, ...]
    """Program and arguments, which may name `{address}`, `{port}` and `{start_ns}`."""
    reporter: Side
    pairs: int = 1

    def client_command(self, address: str, port: int, start_ns: int) -> list[str]:
        """Fill in the client's arguments for one pair."""
        return [
            argument.format(address=address, port=port, start_ns=start_ns)
            for argument in self.client
        ]

    def start_ns(self) -> int:
        """When clients are to begin, by the wall clock: at once (0) for one pair."""
        return 0 if self.pairs == 1 else time.time_ns() + int(START_TOGETHER_S * 1e9)


def is_python(program: str) -> bool:
    """Tell a Python program from a C one."""
    return program.endswith(".py")


def reports(lines: Iterable[str]) -> list[Report]:
    """Pick the reports out of what programs printed."""
    return [json.loads(line) for line in lines if line.startswith("{")]
