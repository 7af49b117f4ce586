from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.store.state import (
    DeploymentFolder,
    DeploymentRunningError,
    StateFolderError,
    known_deployments,
    state_root,
)
from tests.support.serving import short_folder


def test_the_folder_is_where_the_variable_says() -> None:
    assert state_root({"PODNET_STATE": "/srv/x"}) == Path("/srv/x")
    assert state_root({"XDG_STATE_HOME": "/srv/s"}) == Path("/srv/s/podnet")
    assert state_root({}) == Path.home() / ".local/state/podnet"


def test_nobody_else_can_look_into_the_folder() -> None:
    with short_folder() as root, DeploymentFolder(root, "shop").hold():
        assert (root / "shop").stat().st_mode & 0o777 == 0o700


def test_one_process_holds_a_deployment_at_a_time() -> None:
    with short_folder() as root:
        with DeploymentFolder(root, "shop").hold():
            second = DeploymentFolder(root, "shop")
            running = pytest.raises(DeploymentRunningError, match=f"process {os.getpid()}")
            with running, second.hold():
                pass
            with DeploymentFolder(root, "other").hold():
                pass
        with DeploymentFolder(root, "shop").hold():
            pass


def test_a_holder_that_died_holds_nothing() -> None:
    program = (
        "import sys, os, pathlib\n"
        "from orchestrator.store.state import DeploymentFolder\n"
        "hold = DeploymentFolder(pathlib.Path(sys.argv[1]), 'shop').hold()\n"
        "hold.__enter__()\n"
        "os._exit(0)\n"
    )
    with short_folder() as root:
        subprocess.run([sys.executable, "-c", program, str(root)], check=True)
        with DeploymentFolder(root, "shop").hold():
            pass


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = DeploymentFolder(tmp_path / "file", "shop")
    with pytest.raises(StateFolderError, match="set PODNET_STATE"), folder.hold():
        pass


def test_a_path_too_long_for_a_socket_is_a_clear_error(tmp_path: Path) -> None:
    folder = DeploymentFolder(tmp_path / ("x" * 100), "shop")
    with pytest.raises(StateFolderError, match="107 bytes"), folder.hold():
        pass


def test_volumes_stay_as_they_are() -> None:
    with short_folder() as root:
        folder = DeploymentFolder(root, "shop")
        with folder.hold():
            folder.make_volumes([folder.volumes / "stock"])
            (folder.volumes / "stock" / "db").write_text("1")
            folder.make_volumes([folder.volumes / "stock"])
        assert (folder.volumes / "stock" / "db").read_text() == "1"


def test_known_deployments_are_those_with_a_folder() -> None:
    with short_folder() as root:
        assert known_deployments(root / "none") == []
        for name in ("b", "a"):
            with DeploymentFolder(root, name).hold():
                pass
        (root / "stray").mkdir()
        assert known_deployments(root) == ["a", "b"]


@pytest.mark.parametrize(
    "error", [StateFolderError("/x", "no"), DeploymentRunningError("shop", "12")]
)
def test_errors_survive_pickling(error: Exception) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
