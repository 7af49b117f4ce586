"""Pictures of a topology, declared or running.

`gathering.py` makes what is to be seen into the plain values of `diagram.py`, `live.py` does so for
a deployment that runs; `text.py`, `dot.py`, `mermaid.py` and `svg.py` each draw those values in one
way. All pure: values in, text out. Every text that comes from a file is escaped by the drawing that
shows it.
"""

from orchestrator.graph.diagram import Diagram
from orchestrator.graph.dot import draw_dot
from orchestrator.graph.gathering import make_diagram
from orchestrator.graph.live import is_plan_of, leases_of, make_live_diagram, scaled_as
from orchestrator.graph.mermaid import draw_mermaid
from orchestrator.graph.svg import draw_svg
from orchestrator.graph.text import draw_text

__all__ = [
    "Diagram",
    "draw_dot",
    "draw_mermaid",
    "draw_svg",
    "draw_text",
    "is_plan_of",
    "leases_of",
    "make_diagram",
    "make_live_diagram",
    "scaled_as",
]
