from __future__ import annotations

import re
import string
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.graph import (
    Diagram,
    draw_dot,
    draw_mermaid,
    draw_svg,
    draw_text,
    make_diagram,
)
from orchestrator.graph.diagram import FaultMark, LinkLine, NetworkBar, PolicyArrow, ServiceBox
from orchestrator.network.changes import Part, SetLink
from orchestrator.network.impairments import Impairments
from orchestrator.topology.link_options import parse_change
from tests.support.networks import plan_of, topology
from vnet.configuration import FaultKind

calm = settings(deadline=None, suppress_health_check=[Check.too_slow])

DECLARED = topology(
    {
        "web": {"networks": ["front"], "ports": ["80:8080"], "deploy": {"replicas": 3}},
        "gw": {"networks": ["front", "back"], "router": True},
        "api": {"networks": ["back"], "deploy": {"replicas": 2}},
        "lone": {},
    },
    {
        "front": {"subnet": "10.1.0.0/24"},
        "back": {"subnet": "10.2.0.0/24", "link": {"delay": "1ms"}},
    },
    links=[
        {"endpoints": ["web", "gw"], "delay": "20ms", "direction": "forward"},
        {"endpoints": ["gw", "api-2"], "loss": "1%"},
        {"endpoints": ["api-1", "api-2"], "rate": "1mbit"},
    ],
    policies=[
        {"service": "api", "ingress": [{"from": [{"service": "web"}], "ports": ["80"]}]},
        {"service": "web", "deny": "drop", "egress": [{"to": [{"cidr": "10.0.0.0/8"}]}]},
        {"network": "front", "ingress": []},
    ],
)


def diagram() -> Diagram:
    impairments = Impairments(DECLARED)
    change = SetLink(first="gw", second="api-2", change=parse_change({"delay": "5ms"}))
    impairments.apply(change, 0)
    impairments.apply(Part(kind=FaultKind.CUT, groups=(("web-1",), ("gw", "api"))), 0)
    return make_diagram(DECLARED, plan_of(DECLARED), impairments.links(), impairments.faults())


def test_the_text_is_a_tree_of_networks() -> None:
    assert draw_text(diagram()).splitlines() == [
        "test",
        "",
        "front  10.1.0.0/24",
        "├─ web \N{MULTIPLICATION SIGN}3  portal 80:8080",
        "│  └╌ gw  -> 20ms (partly cut)  <- no effect (partly cut)",
        "└─ gw  routes to back",
        "",
        "back  10.2.0.0/24  each interface: 1ms",
        "├─ gw  routes to front",
        "│  └╌ api-2  5ms, loss 1%  (changed)",
        "└─ api \N{MULTIPLICATION SIGN}2",
        "   └╌ api-1 to api-2  1mbit",
        "",
        "default  10.88.0.0/16",
        "└─ lone",
        "",
        "policies",
        "├─ web -> api: allow 80, else rejected",
        "├─ web -> 10.0.0.0/8: allow all ports, else dropped",
        "├─ nobody -> web: all is rejected",
        "└─ nobody -> gw: all is rejected",
        "",
        "faults",
        "└─ partition-1 (partition): web-1 | gw, api",
        "",
        "no way between",
        "├─ web and lone",
        "├─ gw and lone",
        "└─ api and lone",
    ]


def test_the_svg_shows_everything_and_nothing_beyond_its_edge() -> None:
    root = ElementTree.fromstring(draw_svg(diagram()))
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for text in (
        "front",
        "10.1.0.0/24",
        "each: 1ms",
        "router",
        "portal 80:8080",
        "20ms",
        "5ms, loss 1%",
    ):
        assert any(text in (shown or "") for shown in texts), text
    for element in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(key, "0")) <= width
        for key in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.attrib.get(key, "0")) <= height


def test_the_svg_shows_changed_links_and_cut_ones_in_colours_of_their_own() -> None:
    root = ElementTree.fromstring(draw_svg(diagram()))
    lines = [e.attrib["class"] for e in root.iter("{http://www.w3.org/2000/svg}line")]
    assert lines.count("lane changed") == 1
    assert lines.count("lane fault") == 2 + 1 + 2  # both ways of a link, a fault, shut policies
    assert lines.count("lane link") == 1


def test_the_svg_has_colours_for_light_and_for_dark_pages() -> None:
    assert "prefers-color-scheme: dark" in draw_svg(diagram())


def test_no_label_of_the_svg_begins_or_ends_outside() -> None:
    service = ServiceBox(name="a", image="x", replicas=1, networks=("n",), router=False, portals=())
    line = LinkLine(
        first="a",
        second="a",
        first_service="a",
        second_service="a",
        network="n",
        forward="x" * 200,
        backward="x" * 200,
        changed=False,
    )
    bar = NetworkBar(name="n", subnet="10.0.0.0/8", access="")
    plain = Diagram(
        name="t",
        services=(service,),
        networks=(bar,),
        links=(line,),
        policies=(),
        faults=(),
        unreachable=(),
    )
    root = ElementTree.fromstring(draw_svg(plain))
    (label,) = (e for e in root.iter("{http://www.w3.org/2000/svg}text") if e.text == "x" * 200)
    half = 200 * 7.3 / 2
    assert float(label.attrib["x"]) - half >= 0
    assert float(label.attrib["x"]) + half <= float(root.attrib["width"])


def test_graphviz_gets_every_edge() -> None:
    text = draw_dot(diagram())
    assert '"service web" -> "service gw" [dir=both' in text
    assert '"service web" -> "service api" [style=dashed' in text
    assert '"service web" -> "network front" [dir=none' in text
    assert text.count("color=darkorange") == 1
    assert 'label="partition-1 (partition): web-1 | gw, api"' in text


def test_mermaid_gets_every_edge() -> None:
    lines = draw_mermaid(diagram()).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  s1[/"gw<br>router"\\]' in lines
    assert "  s0 --- n0" in lines
    assert '  s1 <== "5ms, loss 1%  (changed)<br>gw to api-2 on back" ==> s2' in lines
    assert '  s0 -. "allow 80, else rejected" .-> s2' in lines
    assert '  f0>"partition-1 (partition)<br>web-1 #124; gw, api"]' in lines


@pytest.mark.parametrize("draw", [draw_text, draw_svg, draw_dot, draw_mermaid])
def test_nothing_but_services_is_no_problem(draw: object) -> None:
    assert callable(draw)
    empty = Diagram(
        name="t", services=(), networks=(), links=(), policies=(), faults=(), unreachable=()
    )
    assert "t" in draw(empty) or draw is draw_mermaid


HOSTILE = st.text(alphabet=string.printable + "é\u202e\x00<>&\"'\\#;|[]{}`", max_size=12)


@st.composite
def hostile_diagrams(draw: st.DrawFn) -> Diagram:
    """Every text is one that could end a string, a tag or a line."""
    names = draw(st.lists(HOSTILE, min_size=1, max_size=3, unique=True))
    network = NetworkBar(name=draw(HOSTILE), subnet=draw(HOSTILE), access=draw(HOSTILE))
    services = tuple(
        ServiceBox(
            name=name,
            image=draw(HOSTILE),
            replicas=draw(st.integers(0, 3)),
            networks=(network.name,),
            router=draw(st.booleans()),
            portals=(draw(HOSTILE),),
            state=draw(HOSTILE),
        )
        for name in names
    )
    link = LinkLine(
        first=draw(HOSTILE),
        second=draw(HOSTILE),
        first_service=draw(st.sampled_from(names)),
        second_service=draw(st.sampled_from(names)),
        network=network.name,
        forward=draw(HOSTILE),
        backward=draw(HOSTILE),
        changed=draw(st.booleans()),
        forward_barrier=draw(HOSTILE),
        backward_barrier=draw(HOSTILE),
    )
    arrow = PolicyArrow(
        policy="p",
        source=draw(HOSTILE),
        target=names[0],
        source_service=None,
        target_service=names[0],
        ports=draw(HOSTILE),
        denial=draw(HOSTILE),
    )
    fault = FaultMark(
        name=draw(HOSTILE), kind="hold", groups=((names[0],), (names[-1],)), oneway=True
    )
    return Diagram(
        name=draw(HOSTILE),
        services=services,
        networks=(network,),
        links=(link,),
        policies=(arrow,),
        faults=(fault,),
        unreachable=((draw(HOSTILE), draw(HOSTILE)),),
    )


@calm
@given(hostile_diagrams())
def test_no_name_breaks_out_of_its_place(hostile: Diagram) -> None:
    root = ElementTree.fromstring(draw_svg(hostile))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "line", "circle", "polygon", "text"}
    assert all(c.isprintable() or c == "\n" for c in draw_text(hostile))
    quoted = re.compile(r'"(?:[^"\\\n]|\\.)*"')
    rest = quoted.sub("", draw_dot(hostile))
    assert re.fullmatch(r"[\w\s{}\[\]=,;.>-]*", rest), rest
    label = re.compile(r'"[^"\n]*"')
    shapes = label.sub("", draw_mermaid(hostile))
    assert re.fullmatch(r"[\w\s()\[\]/\\>=<.-]*", shapes), shapes
    for shown in label.findall(draw_mermaid(hostile)):
        assert not re.search(r"[\\\"'`|{}\[\]]", shown[1:-1].replace("<br>", ""))
        assert "<" not in shown.replace("<br>", "")
