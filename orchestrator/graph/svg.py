"""A diagram as an SVG image: every service a column, every network a bar across those on it.

Owns the layout. Nothing is placed by chance and no two things meet: links, policies and faults have
a lane each, below the bar of their network or at the end, so a picture of fifty services reads like
one of three, only wider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.graph.canvas import Canvas, width_of

if TYPE_CHECKING:
    from orchestrator.graph.canvas import Point
    from orchestrator.graph.diagram import (
        Diagram,
        FaultMark,
        LinkLine,
        NetworkBar,
        PolicyArrow,
        ServiceBox,
    )

_MARGIN = 24
_LEAST_COLUMN = 150
_MOST_COLUMN = 320
"""Longer texts over links reach into the columns beside."""
_LINE = 18
_LANE = 36
_BAR = 10
_GAP = 34
_OVERHANG = 28
"""How far bars, and links between replicas of one service, reach beyond a column."""
_PAIRS_SHOWN = 12


def draw_svg(diagram: Diagram) -> str:
    """Draw a diagram as a stand-alone SVG document."""
    return _Drawing(diagram).document()


class _Drawing:
    """One drawing, from the top down."""

    def __init__(self, diagram: Diagram) -> None:
        self._diagram = diagram
        self._canvas = Canvas()
        self._gutter = _MARGIN + max(map(width_of, _gutter_texts(diagram)), default=0) + _MARGIN
        widest = max((width_of(t) for s in diagram.services for t in _box_texts(s)), default=0)
        self._column = max(_LEAST_COLUMN, widest + 2 * _MARGIN, _room_for_links(diagram))
        self._x = {
            service.name: self._gutter + self._column * (index + 0.5)
            for index, service in enumerate(diagram.services)
        }
        lanes = [_link_text(way) for link in diagram.links for way in (link, link.turned)]
        lanes += [arrow.label for arrow in diagram.policies]
        lanes += [fault.label for fault in diagram.faults]
        columns = self._gutter + self._column * len(diagram.services)
        self._width = max(columns, *map(width_of, lanes), 0) + 2 * _MARGIN
        self._y = float(_MARGIN)
        self._ends: dict[str, float] = {}
        """How far down each service's column reaches."""

    def document(self) -> str:
        """Draw everything."""
        self._y += 12
        self._canvas.text((_MARGIN, self._y), self._diagram.name, "title")
        bottom = self._boxes()
        for network in self._diagram.networks:
            self._network(network)
        if self._diagram.policies:
            self._heading("policies")
            self._y -= _LINE / 2
            for arrow in self._diagram.policies:
                self._policy(arrow)
        if self._diagram.faults:
            self._heading("faults")
            self._y -= _LINE / 2
            for fault in self._diagram.faults:
                self._fault(fault)
        self._unreachable()
        for service, end in self._ends.items():
            x = self._x[service]
            self._canvas.line((x, bottom), (x, end), "life", back=True)
        return self._canvas.document(self._width, self._y + _GAP, self._diagram.name)

    def _boxes(self) -> float:
        """Draw the services; return where their boxes end."""
        lines = max((len(_box_texts(s)) for s in self._diagram.services), default=0)
        height = lines * _LINE + 14
        top = self._y + 24
        for service in self._diagram.services:
            x, texts = self._x[service.name], _box_texts(service)
            width = self._column - _MARGIN
            style = "router" if service.router else "box"
            if service.replicas > 1:
                self._canvas.rectangle((x - width / 2 + 6, top - 6), (width, height), style)
            self._canvas.rectangle((x - width / 2, top), (width, height), style)
            for index, text in enumerate(texts):
                place = (x, top + _LINE * (index + 1) + 2)
                ink = "plain soft" if index else "plain name"
                self._canvas.text(place, text, ink, "middle")
        self._y = top + height
        return self._y

    def _network(self, network: NetworkBar) -> None:
        self._y += _GAP
        top = self._y
        notes = [network.name, *_network_notes(network)]
        for index, text in enumerate(notes):
            place = (_MARGIN, top + _LINE * index + _BAR)
            self._canvas.text(place, text, "soft" if index else "name")
        members = [s.name for s in self._diagram.services if network.name in s.networks]
        if members:
            first, last = self._x[members[0]] - _OVERHANG, self._x[members[-1]] + _OVERHANG
            self._canvas.rectangle((first, top), (last - first, _BAR), "bar", _BAR / 2)
        self._y += _BAR
        for name in members:
            self._canvas.dot((self._x[name], top + _BAR / 2), "tap", 5)
            self._reach(name)
        for link in self._diagram.links:
            if link.network == network.name:
                self._link(link)
        self._y = max(self._y, top + _LINE * (len(notes) - 1) + _BAR)

    def _link(self, link: LinkLine) -> None:
        if link.alike:
            style = _link_style(link)
            start, end = self._lane(link.first_service, link.second_service)
            self._canvas.line(start, end, f"lane {style}")
            self._canvas.dot(start, f"{style}-end")
            self._canvas.dot(end, f"{style}-end")
            self._label(start, end, _link_text(link))
            return
        for way in (link, link.turned):
            start, end = self._lane(way.first_service, way.second_service)
            self._arrow(start, end, _link_style(way))
            self._label(start, end, _link_text(way))

    def _policy(self, arrow: PolicyArrow) -> None:
        style = "fault" if arrow.shut else "allow"
        start, end = self._lane(arrow.source_service, arrow.target_service)
        for text, service in arrow.sides:
            if service is None:
                self._canvas.text((_MARGIN, self._y + 4), text, "soft")
        self._arrow(start, end, style)
        self._label(start, end, arrow.label)

    def _fault(self, fault: FaultMark) -> None:
        self._y += _LANE
        self._canvas.text((_MARGIN, self._y + 4), f"{fault.name} ({fault.kind})", "soft")
        sides = [{self._service_of(name) for name in group} for group in fault.groups]
        names = sorted(set().union(*sides), key=self._x.__getitem__)
        start, end = (self._x[names[0]], self._y), (self._x[names[-1]], self._y)
        self._canvas.line(start, end, "lane fault")
        for name in names:
            # The groups of a service are told from each other by filled and hollow dots.
            self._canvas.dot((self._x[name], self._y), "fault-end" if name in sides[0] else "hole")
            self._reach(name)
        self._label(start, end, fault.label)

    def _unreachable(self) -> None:
        pairs = self._diagram.unreachable
        if not pairs:
            return
        self._heading("no way between")
        texts = [" and ".join(pair) for pair in pairs[:_PAIRS_SHOWN]]
        if len(pairs) > _PAIRS_SHOWN:
            texts.append(f"and {len(pairs) - _PAIRS_SHOWN} more pairs")
        for text in texts:
            self._y += _LINE
            self._canvas.text((_MARGIN, self._y), text, "soft")

    def _heading(self, text: str) -> None:
        self._y += _GAP
        self._canvas.text((_MARGIN, self._y), text, "name")

    def _lane(self, source: str | None, target: str | None) -> tuple[Point, Point]:
        """Begin a lane; a side that is no service is the gutter."""
        self._y += _LANE
        places = [self._gutter - _MARGIN if s is None else self._x[s] for s in (source, target)]
        if source is not None and source == target:
            places = [places[0] - _OVERHANG, places[1] + _OVERHANG]
        for service in (source, target):
            if service is not None:
                self._reach(service)
        return (places[0], self._y), (places[1], self._y)

    def _arrow(self, start: Point, end: Point, style: str) -> None:
        self._canvas.line(start, end, f"lane {style}")
        self._canvas.arrowhead(end, f"{style}-end", right=start[0] < end[0])

    def _label(self, start: Point, end: Point, text: str) -> None:
        """Write over the middle of a lane, but never beyond the picture's edge."""
        half = width_of(text) / 2
        middle = min((start[0] + end[0]) / 2, self._width - _MARGIN - half)
        self._canvas.text((max(middle, _MARGIN + half), start[1] - 7), text, "", "middle")

    def _reach(self, service: str) -> None:
        self._ends[service] = self._y

    def _service_of(self, name: str) -> str:
        return name if name in self._x else name.rpartition("-")[0]


def _box_texts(service: ServiceBox) -> list[str]:
    portals = [f"portal {port}" for port in service.portals]
    texts = [service.title, service.image, service.state, "router" if service.router else ""]
    return [*filter(None, texts), *portals]


def _network_notes(network: NetworkBar) -> list[str]:
    return [network.subnet, *([f"each: {network.access}"] if network.access else [])]


def _link_text(link: LinkLine) -> str:
    """What stands over a link's lane, with its ends where one is a single pod."""
    text = f"{link.way_label} (changed)" if link.changed else link.way_label
    if (link.first, link.second) == (link.first_service, link.second_service):
        return text
    return f"{link.first} - {link.second}: {text}"


def _link_style(link: LinkLine) -> str:
    """How the lane of a link looks that goes from its first end to its second."""
    if link.forward_barrier:
        return "fault"
    return "changed" if link.changed else "link"


def _room_for_links(diagram: Diagram) -> float:
    """How wide columns have to be for what stands over links, within reason."""
    place = {service.name: index for index, service in enumerate(diagram.services)}
    needed = [
        width_of(_link_text(way))
        / max(abs(place[link.first_service] - place[link.second_service]), 1)
        for link in diagram.links
        for way in (link, link.turned)
    ]
    return min(max(needed, default=0) + _MARGIN, _MOST_COLUMN)


def _gutter_texts(diagram: Diagram) -> list[str]:
    texts = [diagram.name, "no way between"]
    for network in diagram.networks:
        texts += [network.name, *_network_notes(network)]
    for arrow in diagram.policies:
        texts += [text for text, service in arrow.sides if service is None]
    texts += [f"{fault.name} ({fault.kind})" for fault in diagram.faults]
    return texts
