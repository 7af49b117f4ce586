"""A topology with all that it takes to read it again, exactly as it was read.

Owns the value. It is what a command sends to a running deployment and what a deployment keeps:
neither depends on the environment of the process, on the current folder, or on what became of the
files since. What the folders hold that pods mount is not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologySource:
    """A topology as it was read."""

    path: str
    """The file; empty for standard input."""
    directory: str
    """Absolute; where relative paths start."""
    text: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """Those that the file uses."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files of environment variables that the file refers to, by path."""
    name: str = ""
    """Of the deployment, where it is not to be the file's."""

    @property
    def shown_path(self) -> str:
        """What to call the file in messages."""
        return self.path or "<stdin>"
