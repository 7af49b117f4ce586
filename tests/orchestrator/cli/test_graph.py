from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.graph import command

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
