"""`ls`: which deployments there are, and how each is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.cli.main import main
from tests.support.deployments import deployment_in_background
from tests.support.serving import short_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    Output = pytest.CaptureFixture[str]


def make_folder(root: Path, name: str, *files: str) -> None:
    (root / name).mkdir()
    for file in ("lock", *files):
        (root / name / file).touch()


def listed(capsys: Output, *options: str) -> list[dict[str, object]]:
    assert main(["ls", "--format", "json", *options]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def test_deployments_are_listed_that_run_or_should(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with short_folder() as folder, deployment_in_background(folder):
        monkeypatch.setenv("PODNET_STATE", str(folder))
        make_folder(folder, "ended")
        make_folder(folder, "killed", "control.sock")
        assert [(row["name"], row["status"]) for row in listed(capsys)] == [
            ("killed", "lost"),
            ("test", "running"),
        ]
        (row,) = (row for row in listed(capsys, "-a") if row["name"] == "test")
        assert (row["ready"], row["desired"]) == (4, 4)
        assert (row["topology"], row["revision"]) == ("/test.yaml", 1)
        assert main(["ls", "-a"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["NAME", "STATUS", "READY", "UP", "TOPOLOGY"]
        assert [line.split()[0] for line in lines[1:]] == ["ended", "killed", "test"]
        assert "4 of 4" in lines[3]
        assert main(["ls", "-q"]) == 0
        assert capsys.readouterr().out == "killed\ntest\n"


def test_where_nothing_was_ever_started_the_list_is_empty(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PODNET_STATE", str(tmp_path / "none"))
    assert listed(capsys, "-a") == []
