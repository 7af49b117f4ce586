"""`podnet image`: what it prints, and how its failures read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import wasmtime

from orchestrator.cli.main import main


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.wasm"
    path.write_bytes(wasmtime.wat2wasm('(module (func (export "_start")))'))
    return path


@pytest.mark.usefixtures("own_module")
def test_ls_shows_the_shipped_images_and_that_they_are_not_here_yet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["image", "ls"]) == 0
    heading = capsys.readouterr().out.splitlines()[0]
    assert heading.split() == ["NAME", "SHA256", "SIZE", "PULLED", "SOURCE"]
    assert main(["image", "ls", "--format", "json"]) == 0
    (python,) = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "python"]
    assert (python["pulled"], python["path"]) == (False, None)


def test_pull_brings_a_module_and_says_its_steps(
    own_module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["image", "pull", "./own.wasm"]) == 0
    digest = hashlib.sha256(own_module.read_bytes()).hexdigest()
    shown = capsys.readouterr()
    assert f"sha256 {digest}" in shown.out
    assert shown.err.splitlines() == [
        f"./own.wasm: fetching from file:{own_module}",
        "./own.wasm: checking",
    ]
    assert (tmp_path / "cache" / "modules" / f"{digest}.wasm").is_file()


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("image", "complaint"),
    [("pythn", 'did you mean "python"?'), ("./absent.wasm", "No such file or directory")],
)
def test_an_image_that_cannot_be_pulled_is_one_clear_message(
    image: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["image", "pull", image]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert complaint in shown


@pytest.mark.usefixtures("own_module")
def test_build_refuses_an_image_that_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "build", "python"]) != 0
    assert "podnet image pull python" in capsys.readouterr().err


@pytest.mark.usefixtures("own_module")
def test_build_says_which_tools_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["image", "build", "python:3.13"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert "apt-get install make" in shown


@pytest.mark.usefixtures("own_module")
def test_ls_shows_images_that_are_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "ls", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    built = rows["python:3.13"]
    assert (built["source"], built["pulled"], built["sha256"]) == ("build:cpython", False, None)
    assert main(["image", "ls"]) == 0
    assert "build:cpython" in capsys.readouterr().out
