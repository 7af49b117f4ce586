"""A text that takes the place of a terminal's contents, and gives it back at the end.

Owns the use of `rich` for it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def live_text() -> Iterator[Callable[[str], None]]:
    """Show texts one after the other in the same place while the block lasts."""
    with Live(console=Console(), screen=True, auto_refresh=False) as live:

        def show(text: str) -> None:
            live.update(Text(text, no_wrap=True, overflow="crop"), refresh=True)

        yield show
