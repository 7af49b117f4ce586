"""A diagram in Graphviz's language.

Owns the mapping and the escaping. Names are quoted strings; nothing of a file becomes an attribute
or a keyword.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.graph.diagram import Diagram, LinkLine, PolicyArrow


def draw_dot(diagram: Diagram) -> str:
    """Write a diagram for `dot` or `fdp`."""
    lines = [
        f"digraph {_quoted(diagram.name)} {{",
        '  graph [rankdir=LR, fontname="sans-serif"];',
        '  node [fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
        *(f"  {line};" for line in _statements(diagram)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _statements(diagram: Diagram) -> Iterator[str]:
    for network in diagram.networks:
        label = "\n".join(filter(None, (network.name, network.subnet, network.access)))
        yield f"{_node('network', network.name)} [shape=ellipse, label={_quoted(label)}]"
    for service in diagram.services:
        shape = "box3d" if service.replicas > 1 else "box"
        notes = [service.title, service.state, "router" if service.router else ""]
        notes += [f"portal {port}" for port in service.portals]
        label = "\n".join(filter(None, notes))
        yield f"{_node('service', service.name)} [shape={shape}, label={_quoted(label)}]"
        for name in service.networks:
            ends = f"{_node('service', service.name)} -> {_node('network', name)}"
            yield f"{ends} [dir=none, color=gray60]"
    for link in diagram.links:
        yield _link(link)
    for arrow in diagram.policies:
        yield from _policy(arrow)
    if diagram.faults:
        texts = (f"{fault.name} ({fault.kind}): {fault.label}" for fault in diagram.faults)
        text = _quoted("\n".join(texts))
        yield f"{_node('faults', '')} [shape=note, color=firebrick, label={text}]"


def _link(link: LinkLine) -> str:
    ends = f"{_node('service', link.first_service)} -> {_node('service', link.second_service)}"
    names = f"{link.first} to {link.second} on {link.network}"
    label = _quoted(f"{link.label}\n{names}")
    colour = "darkorange" if link.changed else "steelblue"
    if link.forward_barrier or link.backward_barrier:
        colour = "firebrick"
    return f"{ends} [dir=both, arrowsize=0.5, style=bold, color={colour}, label={label}]"


def _policy(arrow: PolicyArrow) -> Iterator[str]:
    """An arrow, and before it those of its sides that are no services."""
    sides = []
    for text, service in arrow.sides:
        if service is None:
            yield f"{_node('peer', text)} [shape=plaintext, label={_quoted(text)}]"
        sides.append(_node("peer", text) if service is None else _node("service", service))
    colour = "firebrick" if arrow.shut else "forestgreen"
    look = f"style=dashed, color={colour}, constraint=false, label={_quoted(arrow.label)}"
    yield f"{' -> '.join(sides)} [{look}]"


def _node(kind: str, name: str) -> str:
    return _quoted(f"{kind} {name}")


def _quoted(text: str) -> str:
    """A string that Graphviz shows as it is; line breaks stay, other control characters go."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
