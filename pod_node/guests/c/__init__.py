"""BSD sockets for C and C++ in pods: `include/` for the compiler, `example/` to begin from."""

from pathlib import Path

INCLUDE = Path(__file__).parent / "include"
"""Folder for the compiler's `-I`."""

__all__ = ["INCLUDE"]
