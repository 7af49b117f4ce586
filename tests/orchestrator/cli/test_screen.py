from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from orchestrator.cli.printer import Printer
from orchestrator.cli.screen import LineSteps, UpScreen
from orchestrator.views.phases import Phase, PodView
from pod_node.progress import Phase as ImagePhase
from pod_node.progress import Progress
from pod_node.records import LogLines
from pod_node.status import OpenPortal, PortalBackend
from tests.support.pods import exited, make_spec, tcp_check

PORTAL = OpenPortal(
    portal_id="portal-1",
    service="web",
    port=8080,
    host_port=40000,
    url="http://abc-web-8080.localhost:40000/",
    backends=(PortalBackend("web-1", IPv4Address("10.0.0.2")),),
)


class Shown:
    """A screen over captured streams."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], qr_space: tuple[int, int] | None = None
    ) -> None:
        self._capsys = capsys
        self._printer = Printer(lambda: None)
        self.screen = UpScreen(
            self._printer,
            LineSteps(self._printer),
            ["web-1", "db-1"],
            colours=False,
            qr_space=qr_space,
        )

    def text(self) -> tuple[str, str]:
        assert self._printer.close(5.0)
        captured = self._capsys.readouterr()
        return captured.out, captured.err


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    return Shown(capsys)


def test_each_step_of_an_image_is_one_line(shown: Shown) -> None:
    for done in range(5):
        step = Progress(
            image="python", phase=ImagePhase.FETCHING, done_bytes=done, source="pypi:x==1#y"
        )
        shown.screen.show_image(step)
    shown.screen.show_image(Progress(image="python", phase=ImagePhase.COMPILING))
    shown.screen.show_image(Progress(image="python", phase=ImagePhase.READY, elapsed_s=2.5))
    assert shown.text()[1] == (
        "image python: fetching from pypi:x==1#y\n"
        "image python: compiling\n"
        "image python: ready after 2.5 s\n"
    )


def test_a_pods_phases_are_told_once_each(shown: Shown) -> None:
    view = PodView(spec=make_spec("web-1", check=tcp_check(80)))
    for phase in (Phase.WAITING, Phase.STARTING, Phase.RUNNING, Phase.RUNNING, Phase.HEALTHY):
        shown.screen.show_pod(replace(view, phase=phase, boot_s=0.05, ready_s=0.25))
    shown.screen.show_pod(
        replace(view, phase=Phase.EXITED, exit=exited(2), reason="can't open file")
    )
    assert shown.text()[1] == (
        "web-1: running\nweb-1: healthy after 250 ms\nweb-1: exited (2): can't open file\n"
    )


def test_a_pod_that_will_be_replaced_is_no_news_until_it_is(shown: Shown) -> None:
    view = PodView(spec=make_spec("web-1"), phase=Phase.RUNNING)
    shown.screen.show_pod(replace(view, outdated=True))
    for phase in (Phase.WAITING, Phase.STARTING, Phase.RUNNING):
        shown.screen.show_pod(replace(view, phase=phase))
    assert shown.text()[1] == "web-1: running\n"


def test_the_start_ends_with_the_table_and_the_portals(shown: Shown) -> None:
    shown.screen.show_started([PodView(spec=make_spec("web-1"), phase=Phase.RUNNING)], [PORTAL])
    out, _ = shown.text()
    assert "NAME   IMAGE" in out
    assert "portal to web, port 8080: http://abc-web-8080.localhost:40000/\n" in out
    assert "█" not in out


@pytest.mark.parametrize(
    ("space", "drawn"), [((80, 24), True), ((80, 10), False), ((30, 24), False)]
)
def test_the_qr_code_needs_room(
    capsys: pytest.CaptureFixture[str], space: tuple[int, int], drawn: bool
) -> None:
    shown = Shown(capsys, space)
    shown.screen.show_started([PodView(spec=make_spec("web-1"))], [PORTAL])
    assert ("█" in shown.text()[0]) is drawn


def test_logs_go_to_standard_output_and_gaps_are_told(shown: Shown) -> None:
    lines = LogLines(pod="db-1", stream="stdout", time_s=0.0, lines=(b"ready",))
    shown.screen.show_lines(lines, 3)
    out, err = shown.text()
    assert out == "db-1  | ready\n"
    assert "3 lines of logs were left out" in err
