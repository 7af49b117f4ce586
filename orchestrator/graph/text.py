"""A diagram for terminals: a tree of networks, services and links.

Owns the layout. Lines are as long as what they say; whoever prints them leaves wrapping to the
terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.graph.diagram import Diagram, LinkLine, NetworkBar, PolicyArrow, ServiceBox

_Item = TypeVar("_Item")


def draw_text(diagram: Diagram) -> str:
    """Draw a diagram with box-drawing characters."""
    sections = [[diagram.name]]
    sections += [[*_network(diagram, network)] for network in diagram.networks]
    sections.append(_titled("policies", map(_policy, diagram.policies)))
    sections.append(_titled("faults", (f"{f.name} ({f.kind}): {f.label}" for f in diagram.faults)))
    sections.append(_titled("no way between", (" and ".join(p) for p in diagram.unreachable)))
    text = "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def _network(diagram: Diagram, network: NetworkBar) -> Iterator[str]:
    access = f"  each interface: {network.access}" if network.access else ""
    yield f"{network.name}  {network.subnet}{access}"
    members = [service for service in diagram.services if network.name in service.networks]
    links = [link for link in diagram.links if link.network == network.name]
    drawn: set[int] = set()
    for last, service in _with_last(members):
        yield f"{'└─' if last else '├─'} {_service(service, network)}"
        mine = [
            (index, link)
            for index, link in enumerate(links)
            if service.name in (link.first_service, link.second_service) and index not in drawn
        ]
        drawn.update(index for index, _ in mine)
        rows = [_link_cells(link, service) for _, link in mine]
        width = max((len(name) for name, _ in rows), default=0)
        for end, (name, label) in _with_last(rows):
            yield f"{' ' if last else '│'}  {'└╌' if end else '├╌'} {name:<{width}}  {label}"


def _service(service: ServiceBox, network: NetworkBar) -> str:
    others = [name for name in service.networks if name != network.name]
    notes = [service.title]
    if service.router and others:
        notes.append(f"routes to {', '.join(others)}")
    elif others:
        notes.append(f"also on {', '.join(others)}")
    notes += [f"portal {port}" for port in service.portals]
    notes += [f"[{service.state}]"] if service.state else []
    return "  ".join(notes)


def _link_cells(link: LinkLine, service: ServiceBox) -> tuple[str, str]:
    """A link seen from one of its services: where it leads, and what it does."""
    seen = link if link.first_service == service.name else link.turned
    name = seen.second if seen.first == service.name else f"{seen.first} to {seen.second}"
    return name, seen.label


def _policy(arrow: PolicyArrow) -> str:
    return f"{arrow.source} -> {arrow.target}: {arrow.label}"


def _titled(title: str, lines: Iterable[str]) -> list[str]:
    rows = [f"{'└─' if last else '├─'} {line}" for last, line in _with_last([*lines])]
    return [title, *rows] if rows else []


def _with_last(items: Sequence[_Item]) -> Iterator[tuple[bool, _Item]]:
    for index, item in enumerate(items):
        yield index == len(items) - 1, item
