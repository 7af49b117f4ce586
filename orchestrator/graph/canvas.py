"""The pencil for SVG pictures: shapes and texts with classes, and the document around them.

Owns the markup, its escaping, and the colours for light and for dark pages. Knows nothing of
topologies. Sizes are in CSS pixels.
"""

from __future__ import annotations

from typing import TypeAlias
from xml.sax.saxutils import escape

Point: TypeAlias = tuple[float, float]
"""To the right, and down."""

CHARACTER = 7.3
"""Width of a character; the font is monospaced, so that widths are known."""

_STYLE = """
svg { --ground: #ffffff; --ink: #1f2328; --faint: #d0d7de; --soft: #656d76; --box: #f6f8fa;
  --network: #0969da; --link: #8250df; --changed: #bc4c00; --allow: #1a7f37; --fault: #cf222e; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --ink: #e6edf3; --faint: #3d444d; --soft: #9198a1; --box: #161b22;
    --network: #4493f8; --link: #ab7df8; --changed: #f0883e; --allow: #3fb950; --fault: #f85149; }
}
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--ink);
  paint-order: stroke; stroke: var(--ground); stroke-width: 5px; stroke-linejoin: round; }
.plain { stroke: none; }
.title { font-size: 17px; font-weight: 600; }
.name { font-weight: 600; }
.soft { fill: var(--soft); }
.ground { fill: var(--ground); }
.box { fill: var(--box); stroke: var(--soft); }
.router { fill: var(--box); stroke: var(--network); stroke-width: 2; }
.life { stroke: var(--faint); stroke-width: 2; }
.bar { fill: var(--network); }
.tap { fill: var(--ground); stroke: var(--network); stroke-width: 3; }
.lane { fill: none; stroke-width: 1.5; }
.link { stroke: var(--link); } .link-end { fill: var(--link); }
.changed { stroke: var(--changed); } .changed-end { fill: var(--changed); }
.allow { stroke: var(--allow); stroke-dasharray: 5 3; } .allow-end { fill: var(--allow); }
.hole { fill: var(--ground); stroke: var(--fault); stroke-width: 2; }
.fault { stroke: var(--fault); } .fault-end { fill: var(--fault); }
""".strip()


class Canvas:
    """Collects shapes; those of the background are covered by all others."""

    def __init__(self) -> None:
        self._back: list[str] = []
        self._front: list[str] = []

    def line(self, start: Point, end: Point, style: str, *, back: bool = False) -> None:
        """Draw a straight line."""
        points = f'x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}"'
        (self._back if back else self._front).append(f'<line class="{style}" {points}/>')

    def rectangle(self, corner: Point, size: Point, style: str, radius: float = 6) -> None:
        """Draw a rectangle with round corners from its upper left one."""
        place = f'x="{corner[0]:g}" y="{corner[1]:g}" width="{size[0]:g}" height="{size[1]:g}"'
        self._front.append(f'<rect class="{style}" {place} rx="{radius:g}"/>')

    def dot(self, centre: Point, style: str, radius: float = 4) -> None:
        """Draw a small circle."""
        place = f'cx="{centre[0]:g}" cy="{centre[1]:g}" r="{radius:g}"'
        self._front.append(f'<circle class="{style}" {place}/>')

    def arrowhead(self, tip: Point, style: str, *, right: bool) -> None:
        """Draw the head of a horizontal arrow."""
        back = -9 if right else 9
        points = f"{tip[0]:g},{tip[1]:g} {tip[0] + back:g},{tip[1] - 5:g}"
        points += f" {tip[0] + back:g},{tip[1] + 5:g}"
        self._front.append(f'<polygon class="{style}" points="{points}"/>')

    def text(self, place: Point, text: str, style: str = "", anchor: str = "start") -> None:
        """Write a line; the place is where its anchor stands on the base line."""
        attributes = f'x="{place[0]:g}" y="{place[1]:g}" text-anchor="{anchor}"'
        self._front.append(f'<text class="{style}" {attributes}>{_escaped(text)}</text>')

    def document(self, width: float, height: float, title: str) -> str:
        """The picture as a file."""
        size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
                f"<title>{_escaped(title)}</title>",
                f"<style>\n{_STYLE}\n</style>",
                '<rect class="ground" width="100%" height="100%"/>',
                *self._back,
                *self._front,
                "</svg>\n",
            ]
        )


def width_of(text: str) -> float:
    """How wide a text is."""
    return len(text) * CHARACTER


def _escaped(text: str) -> str:
    """Text that is no markup; characters that XML has no place for are replaced."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))
