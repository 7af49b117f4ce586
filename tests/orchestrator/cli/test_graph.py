from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.graph import command
from orchestrator.cli.main import main
from tests.support.deployments import TOPOLOGY, RunningDeployment, deployment_in_background
from tests.support.serving import short_folder

OUTAGE = Path(__file__).parents[3] / "topologies" / "outage" / "outage.yaml"


def graph(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(command, arguments, input=text)


@pytest.mark.parametrize(
    ("option", "begin"),
    [
        ([], "outage\n\noffice  10.30.0.0/24\n"),
        (["--dot"], 'digraph "outage" {\n'),
        (["--mermaid"], "flowchart LR\n"),
        (["--svg"], "<svg xmlns="),
        (["--format", "mermaid"], "flowchart LR\n"),
    ],
)
def test_a_topology_is_drawn_in_each_way(option: list[str], begin: str) -> None:
    result = graph(str(OUTAGE), *option)
    assert result.exit_code == 0
    assert result.stdout.startswith(begin)


def test_programs_get_the_same_as_json() -> None:
    diagram = json.loads(graph(str(OUTAGE), "--format", "json").stdout)
    assert [service["name"] for service in diagram["services"]] == ["client", "border", "server"]
    assert [link["network"] for link in diagram["links"]] == ["office", "centre", "centre"]


def test_standard_input_is_a_dash() -> None:
    result = graph("-", "--svg", text="name: t\nservices: {web: {image: x}}\n")
    assert ElementTree.fromstring(result.stdout)[0].text == "t"


def test_a_file_that_is_not_valid_is_told_and_not_drawn() -> None:
    result = graph("-", text="name: t\nservices: {web: {image: x, networks: [a]}}\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'unknown network "a"' in result.stderr


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def deployment(folder: Path) -> Iterator[RunningDeployment]:
    with deployment_in_background(folder) as deployment:
        yield deployment


@pytest.fixture
def state(deployment: RunningDeployment, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODNET_STATE", str(folder))


Output = pytest.CaptureFixture[str]


def verb(capsys: Output, *words: str) -> str:
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


def mistake(capsys: Output, *words: str) -> str:
    assert main(words) != 0
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


@pytest.mark.usefixtures("state")
def test_a_running_deployment_is_drawn_as_it_is_now(capsys: Output) -> None:
    assert "\n│  └╌ gw  20ms, loss 1%\n" in verb(capsys, "graph")
    verb(capsys, "link", "set", "web", "gw", "--delay", "80ms")
    verb(capsys, "link", "set", "gw", "api", "--rate", "1mbit")
    verb(capsys, "partition", "web-1", "gw", "--oneway")
    verb(capsys, "hold", "gw", "api")
    verb(capsys, "pause", "web-2")
    assert verb(capsys, "graph", "-d", "test").splitlines()[:13] == [
        "test",
        "",
        "front  10.10.0.0/24",
        "├─ web \N{MULTIPLICATION SIGN}2  [1 running; 1 running, paused]",
        "│  └╌ gw  -> 80ms, loss 1% (partly cut)  <- 80ms, loss 1%  (changed)",
        "└─ gw  routes to back  [running]",
        "",
        "back  10.20.0.0/24",
        "├─ gw  routes to front  [running]",
        "│  └╌ api  1mbit (held)  (changed)",
        "└─ api  [running]",
        "",
        "policies",
    ]
    assert "partition-1 (partition): web-1 -> gw" in verb(capsys, "graph")
    shown = verb(capsys, "graph", "--svg")
    for text in (
        "80ms, loss 1% (partly cut) (changed)",
        "80ms, loss 1% (changed)",
        "1mbit (held) (changed)",
        "1 running; 1 running, paused",
    ):
        assert f">{text}</text>" in shown
    for style in ("lane changed", "lane fault"):
        assert f'class="{style}"' in shown
    links = json.loads(verb(capsys, "graph", "--format", "json"))["links"]
    assert [link["backward_barrier"] for link in links] == ["", "held"]
    verb(capsys, "link", "reset", "--all")
    verb(capsys, "heal")
    verb(capsys, "release")
    verb(capsys, "resume", "web-2")
    assert "\n│  └╌ gw  20ms, loss 1%\n" in verb(capsys, "graph")


@pytest.mark.usefixtures("state")
def test_a_file_and_a_deployment_are_too_much(capsys: Output) -> None:
    assert "give FILE or -d, not both" in mistake(capsys, "graph", str(OUTAGE), "-d", "test")
    assert 'no deployment "tset" runs' in mistake(capsys, "graph", "-d", "tset")


def test_without_a_file_and_a_deployment_the_remedy_is_named(
    capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODNET_STATE", str(tmp_path))
    assert "no deployment runs" in mistake(capsys, "graph")


def test_a_deployment_that_was_scaled_is_drawn_with_the_pods_that_it_has(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with short_folder() as folder, deployment_in_background(folder):
        monkeypatch.setenv("PODNET_STATE", str(folder))
        assert main(["scale", "web=3"]) == 0
        capsys.readouterr()
        assert "web \N{MULTIPLICATION SIGN}3  [3 running]" in verb(capsys, "graph")


@pytest.mark.parametrize(
    ("here", "reason"),
    [
        ("10.11.0.0/24", "it gives other pods or addresses here"),
        ("many", "networks.front.subnet"),
    ],
)
def test_a_topology_whose_variables_differ_is_not_drawn(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, here: str, reason: str
) -> None:
    text = TOPOLOGY.replace("10.10.0.0/24", '"${RANGE:-10.10.0.0/24}"')
    with short_folder() as folder, deployment_in_background(folder, text):
        monkeypatch.setenv("PODNET_STATE", str(folder))
        assert "[running]" in verb(capsys, "graph")
        monkeypatch.setenv("RANGE", here)
        message = mistake(capsys, "graph")
        assert reason in message
        assert 'set the variables that "podnet up" had' in message
