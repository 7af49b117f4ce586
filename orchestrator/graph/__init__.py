"""Pictures of a topology, declared or running.

`diagram.py` gathers what is to be seen as plain values; `text.py`, `dot.py`, `mermaid.py` and
`svg.py` each draw those values in one way. All pure: values in, text out. Every text that comes
from a file is escaped by the drawing that shows it.
"""

from orchestrator.graph.diagram import Diagram, make_diagram
from orchestrator.graph.dot import draw_dot
from orchestrator.graph.mermaid import draw_mermaid
from orchestrator.graph.svg import draw_svg
from orchestrator.graph.text import draw_text

__all__ = ["Diagram", "draw_dot", "draw_mermaid", "draw_svg", "draw_text", "make_diagram"]
