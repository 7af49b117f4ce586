"""How things look on a terminal: names in colour, clean lines, tables, QR codes.

Owns pure functions from values to text. Whether there is a terminal at all, and when something is
shown, is `screen.py`'s business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.views.phases import PodView

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""SGR codes for pods, those that read well on dark and on light; red is kept for trouble."""
RED, GREEN, YELLOW, BOLD = 31, 32, 33, 1
ESCAPE = "\x1b"
RESET = "\x1b[0m"
QUIET_ZONE = 2
"""Light modules around a QR code; four are asked for, phones are content with two."""
_UNSAFE = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_HALVES = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}
"""Upper and lower module, dark or not, in light ink on dark ground."""


def clean(line: bytes, *, colours: bool) -> str:
    """Make a guest's line fit for a terminal: colours may stay, but nothing moves a cursor."""
    text = line.decode("utf-8", "replace")

    def replacement(match: re.Match[str]) -> str:
        if match[0].startswith("\x1b["):
            return match[0] if colours else ""
        return "" if match[0] == "\r" else "\N{REPLACEMENT CHARACTER}"

    return _UNSAFE.sub(replacement, text)


def painted(text: str, colour: int) -> str:
    """Put text in a colour."""
    return f"{ESCAPE}[{colour}m{text}{RESET}"


def log_lines(
    pod: str | None, lines: Sequence[bytes], *, width: int, colour: int | None, stamp: str = ""
) -> str:
    """Write a pod's lines the way Compose does, each behind the pod's name.

    Args:
        pod: Its name; None leaves it out.
        lines: What it wrote.
        width: Columns for the name.
        colour: That of the name; None where escape sequences are not welcome at all.
        stamp: Goes before each line.
    """
    name = "" if pod is None else f"{pod:<{width}} | "
    if name and colour is not None:
        name = painted(name, colour)
    texts = (clean(line, colours=colour is not None) for line in lines)
    return "".join(f"{name}{stamp}{text}{RESET if ESCAPE in text else ''}\n" for text in texts)


def pod_rows(views: Sequence[PodView]) -> list[tuple[str, ...]]:
    """Lay out pods as rows of cells; the first row holds the headings."""
    rows: list[tuple[str, ...]] = [("NAME", "IMAGE", "ADDRESS", "STATE", "BOOT")]
    rows.extend(
        (
            view.spec.name,
            view.spec.image.rpartition("/")[2],
            ", ".join(str(interface.address) for interface in view.spec.interfaces) or "-",
            state_text(view),
            seconds(view.boot_s if view.ready_s is None else view.ready_s),
        )
        for view in views
    )
    return rows


def table(rows: Sequence[tuple[str, ...]], *, colours: bool) -> str:
    """Write rows of cells in aligned columns, the first row as headings."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
    lines = [line.rstrip() for line in lines]
    if colours:
        lines[0] = painted(lines[0], BOLD)
    return "\n".join(lines) + "\n"


def state_text(view: PodView) -> str:
    """Write a pod's state with all that belongs to it."""
    text = view.state
    if view.restarts:
        text += f", restarted {view.restarts}x"
    return f"{text}: {view.reason}" if view.reason else text


def seconds(value: float | None) -> str:
    """Write a short time."""
    if value is None:
        return "-"
    milliseconds = round(value * 1000)
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{value:.1f} s"


def qr_picture(url: str) -> list[str]:
    """Draw a QR code with half blocks, light on dark; every line is equally wide."""
    import segno

    code = segno.make_qr(url, error="l", boost_error=False)
    rows = [[bool(module) for module in row] for row in code.matrix_iter(border=QUIET_ZONE)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(_HALVES[pair] for pair in zip(*both, strict=True)) for both in pairs]


def on_dark(line: str) -> str:
    """Put a line of a QR code white on black, whatever the terminal's own colours are."""
    return f"{ESCAPE}[97;40m{line}{RESET}"
