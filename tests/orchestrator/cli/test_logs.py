"""`podnet logs` against a running deployment whose guests write what the test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.main import main
from tests.support.deployments import TOPOLOGY, RunningDeployment, deployment_in_background
from tests.support.serving import short_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Output = pytest.CaptureFixture[str]
PODNET = (sys.executable, "-u", "-m", "orchestrator.cli.main")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def deployment(folder: Path) -> Iterator[RunningDeployment]:
    text = TOPOLOGY.replace("router: true", "router: true, restart: always")
    with deployment_in_background(folder, text) as deployment:
        write(deployment, "web-1", b"one\n")
        write(deployment, "api-1", b"two\n")
        write(deployment, "web-1", b"three\n")
        write(deployment, "web-2", b"\x1b[32mfour\x1b[0m\x07\n", stream=2)
        yield deployment


@pytest.fixture(autouse=True)
def state(deployment: RunningDeployment, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODNET_STATE", str(folder))


def write(deployment: RunningDeployment, pod: str, text: bytes, *, stream: int = 1) -> None:
    deployment.call(lambda: deployment.runtime.pods[pod].write(stream, text))


def good(capsys: Output, *words: str) -> str:
    status = main(["logs", *words])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return str(out)


def test_lines_of_all_pods_come_in_the_order_of_time_behind_their_names(capsys: Output) -> None:
    assert good(capsys) == (
        "web-1 | one\napi-1 | two\nweb-1 | three\nweb-2 | four\N{REPLACEMENT CHARACTER}\n"
    )


def test_services_and_pods_can_be_chosen_and_only_their_last_lines(capsys: Output) -> None:
    assert good(capsys, "api", "web-2", "--no-log-prefix") == "two\nfour\N{REPLACEMENT CHARACTER}\n"
    assert good(capsys, "web-1", "--tail", "1") == "web-1 | three\n"
    assert good(capsys, "--tail", "0") == ""
    assert good(capsys, "--until", "1h") == ""
    assert good(capsys, "web-1", "--since", "1h") == "web-1 | one\nweb-1 | three\n"


def test_timestamps_are_of_the_machines_zone(capsys: Output) -> None:
    stamp, text = good(capsys, "web-1", "-t", "--no-log-prefix", "-n1").split(" ")
    assert len(stamp) == len("2026-01-31T12:00:00.000+00:00")
    assert text == "three\n"


def test_programs_get_one_object_for_each_line(capsys: Output) -> None:
    lines = [json.loads(line) for line in good(capsys, "--format", "json").splitlines()]
    told = [(line["pod"], line["line"]) for line in lines[:2]]
    assert told == [("web-1", "one"), ("api-1", "two")]
    assert lines[3]["stream"] == "stderr"
    assert lines[3]["service"] == "web"
    assert lines[3]["line"] == "\x1b[32mfour\x1b[0m\x07"
    assert lines[3].keys() == {"time", "service", "pod", "stream", "line"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("webb",), 'unknown service or pod "webb"; did you mean "web"?'),
        (("--since", "5"), 'expected a duration such as "5m"'),
        (("--tail", "-3"), '"-3" is no number of lines'),
        (("-f", "--until", "1m"), "give -f or --until, not both"),
    ],
)
def test_what_makes_no_sense_is_a_clear_error(
    capsys: Output, words: tuple[str, ...], message: str
) -> None:
    assert main(["logs", *words]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_a_follower_hears_of_a_pod_that_is_booted_later_and_of_a_restart(
    deployment: RunningDeployment,
) -> None:
    command = [*PODNET, "logs", "-f", "gw", "--tail", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            deployment.wait_until(lambda: len(deployment.node.node.logs) == 2)
            write(deployment, "gw-1", b"alive\n")
            assert process.stdout.readline() == b"gw-1  | alive\n"
            life = deployment.runtime.pods["gw-1"]
            deployment.call(lambda: life.exit(1))
            deployment.wait_until(lambda: deployment.runtime.pods["gw-1"] is not life)
            write(deployment, "gw-1", b"again\n")
            write(deployment, "api-1", b"not this\n")
            write(deployment, "gw-1", b"and this\n")
            assert process.stdout.readline() == b"gw-1  | again\n"
            assert process.stdout.readline() == b"gw-1  | and this\n"
        finally:
            process.terminate()


def test_a_reader_that_has_enough_is_no_traceback() -> None:
    pipeline = f"{' '.join(PODNET)} logs --format json | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", pipeline], capture_output=True, text=True, env=os.environ
    )
    assert json.loads(done.stdout)["line"] == "one"
    assert done.stderr == ""
