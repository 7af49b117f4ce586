from __future__ import annotations

import asyncio
import os
import signal
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.main import main
from orchestrator.store.state import DeploymentFolder
from tests.support.pods import FakePod, FakeRuntime
from tests.support.serving import ServedBackend, short_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPOLOGY = """
name: test
services:
  web: {image: python, command: [python, -c, "pass"]}
"""


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as folder:
        monkeypatch.setenv("PODNET_STATE", str(folder))
        yield folder


def serve_by(backend: ServedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.backends.starting.node_ahead", lambda *_: nullcontext())
    monkeypatch.setattr("orchestrator.backends.embedded.EmbeddedBackend", lambda *_: backend)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    runtime = FakeRuntime()
    backend = ServedBackend(runtime)
    serve_by(backend, monkeypatch)
    return runtime


@pytest.fixture
def topology(tmp_path: Path) -> str:
    path = tmp_path / "topology.yaml"
    path.write_text(TOPOLOGY)
    return str(path)


Capture = pytest.CaptureFixture[str]


def test_pods_that_end_well_end_it_with_0(
    state: Path, runtime: FakeRuntime, topology: str, capsys: Capture
) -> None:
    def script(pod: FakePod) -> None:
        pod.write(1, b"hello\n")
        pod.exit(0)

    runtime.script = script
    assert main(["up", topology]) == 0
    captured = capsys.readouterr()
    assert "web-1: exited (0)" in captured.err
    assert "all pods have ended well" in captured.err


def test_a_pod_that_fails_ends_it_with_1_and_says_why(
    state: Path, runtime: FakeRuntime, topology: str, capsys: Capture
) -> None:
    def script(pod: FakePod) -> None:
        pod.write(2, b"python: can't open file '/app/x.py'\n")
        pod.exit(2)

    runtime.script = script
    assert main(["up", topology]) == 1
    error = capsys.readouterr().err
    assert "web-1: exited (2): python: can't open file '/app/x.py'\n" in error


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_takes_everything_down(
    state: Path,
    runtime: FakeRuntime,
    topology: str,
    capsys: Capture,
    number: signal.Signals,
    status: int,
) -> None:
    def interrupt(pod: FakePod) -> None:
        pod.write(1, b"hello\n")
        asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), number)

    runtime.script = interrupt
    assert main(["up", topology]) == status
    captured = capsys.readouterr()
    assert "web-1 | hello" in captured.out
    assert "stopping test" in captured.err
    assert not runtime.pods["web-1"].alive
    with DeploymentFolder(state, "test").hold():
        pass


def test_a_deployment_whose_process_does_not_answer_is_refused(
    state: Path,
    runtime: FakeRuntime,
    topology: str,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.cli.booting.TURN_S", 0.1)
    with DeploymentFolder(state, "test").hold():
        assert main(["up", topology]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: deployment "test" is already running (process {os.getpid()})')


def test_a_topology_with_errors_is_shown_with_places_and_starts_nothing(
    state: Path, runtime: FakeRuntime, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: test\nservices:\n  web: {imag: python}\n")
    assert main(["up", str(path)]) == 1
    error = capsys.readouterr().err
    assert f"{path}:3:" in error
    assert "image" in error
    assert "nothing was started" in error
    assert not runtime.boots


def test_an_unknown_image_is_shown_with_its_place(
    state: Path, runtime: FakeRuntime, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: test\nservices:\n  web: {image: pyton}\n")
    assert main(["up", str(path)]) == 1
    error = capsys.readouterr().err
    assert (
        f'{path}:3:16: services.web.image: unknown image "pyton"; did you mean "python"?' in error
    )
    assert not runtime.boots


def test_a_file_that_is_not_there_is_a_clear_error(
    state: Path, runtime: FakeRuntime, capsys: Capture
) -> None:
    assert main(["up", "/nonexistent/topology.yaml"]) == 1
    assert "/nonexistent/topology.yaml" in capsys.readouterr().err


def test_a_boot_that_is_refused_is_a_clear_error(
    state: Path, runtime: FakeRuntime, topology: str, capsys: Capture
) -> None:
    runtime.refusals["web-1"] = "the fabric is full"
    assert main(["up", topology]) == 1
    error = capsys.readouterr().err
    assert 'error: deployment "test" could not start:\n' in error
    assert "the fabric is full" in error
    assert "Traceback" not in error


def test_a_node_that_dies_is_told_and_its_pods_start_again(
    state: Path, topology: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeRuntime()
    backend = ServedBackend(runtime)
    serve_by(backend, monkeypatch)
    stops: list[asyncio.Task[None]] = []

    def stop_serving(pod: FakePod) -> None:
        loop = asyncio.get_running_loop()
        if not stops:
            assert backend.served is not None
            stops.append(loop.create_task(backend.served.server.stop(grace=None)))
        else:
            loop.call_soon(pod.exit, 0)

    runtime.script = stop_serving
    assert main(["up", topology]) == 0
    error = capsys.readouterr().err
    assert "node lost (signal SIGSEGV): Fatal Python error; its pods are started again\n" in error
    assert runtime.boots == ["web-1", "web-1"]


def test_ps_without_anything_running_is_an_empty_table(state: Path, capsys: Capture) -> None:
    assert main(["ps"]) == 0
    assert capsys.readouterr().out.startswith("DEPLOYMENT")
    assert main(["ps", "shop"]) == 1
    captured = capsys.readouterr()
    assert captured.err == 'error: no deployment "shop" runs; start it with "podnet up FILE"\n'
    assert captured.out == ""
    assert main(["ps", "-d", "shop"]) == 1
    assert capsys.readouterr() == captured
