"""A diagram in Mermaid's language, for pages that draw it themselves.

Owns the mapping and the escaping. Nodes have numbers for identifiers, so names are labels only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.graph.diagram import Diagram

_PLAIN = " .,:/-+=%()\N{MULTIPLICATION SIGN}\N{PLUS-MINUS SIGN}"
"""Besides letters and digits, what stands for itself in a label."""


def draw_mermaid(diagram: Diagram) -> str:
    """Write a diagram as a flowchart."""
    services = {service.name: f"s{n}" for n, service in enumerate(diagram.services)}
    networks = {network.name: f"n{n}" for n, network in enumerate(diagram.networks)}
    outside: dict[str, str] = {}
    lines = ["flowchart LR"]
    for network in diagram.networks:
        label = _label(network.name, network.subnet, network.access)
        lines.append(f"  {networks[network.name]}([{label}])")
    for service in diagram.services:
        portals = [f"portal {port}" for port in service.portals]
        router = "router" if service.router else ""
        label = _label(service.title, service.state, router, *portals)
        box = f"[/{label}\\]" if service.router else f"[{label}]"
        lines.append(f"  {services[service.name]}{box}")
    for service in diagram.services:
        lines += [f"  {services[service.name]} --- {networks[n]}" for n in service.networks]
    for link in diagram.links:
        label = _label(link.label, f"{link.first} to {link.second} on {link.network}")
        ends = services[link.first_service], services[link.second_service]
        lines.append(f"  {ends[0]} <== {label} ==> {ends[1]}")
    for arrow in diagram.policies:
        ids = []
        for text, name in arrow.sides:
            if name is None and text not in outside:
                outside[text] = f"p{len(outside)}"
                lines.append(f"  {outside[text]}>{_label(text)}]")
            ids.append(outside[text] if name is None else services[name])
        lines.append(f"  {ids[0]} -. {_label(arrow.label)} .-> {ids[1]}")
    for number, fault in enumerate(diagram.faults):
        lines.append(f"  f{number}>{_label(f'{fault.name} ({fault.kind})', fault.label)}]")
    return "\n".join(lines) + "\n"


def _label(*parts: str) -> str:
    """A quoted label of some lines; whatever could end it or be markup is an entity."""
    return '"' + "<br>".join(_escaped(part) for part in parts if part) + '"'


def _escaped(text: str) -> str:
    return "".join(c if _is_plain(c) else f"#{ord(c)};" for c in text if c.isprintable())


def _is_plain(character: str) -> bool:
    return character.isalnum() or character in _PLAIN
