"""Which backend a deployment has, and what is said when Ray cannot be used."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator
from orchestrator.backends import choice
from orchestrator.backends.choice import open_backend
from orchestrator.backends.embedded import EmbeddedBackend
from orchestrator.backends.ray.environment import prepare
from orchestrator.backends.ray.errors import NoClusterError, RayMissingError
from orchestrator.backends.ray.record import (
    ClusterRecord,
    RecordDamagedError,
    forget_record,
    keep_record,
    read_record,
)
from orchestrator.backends.wish import RayWish
from orchestrator.errors import OrchestratorError
from orchestrator.store.state import DeploymentFolder

IMPORTS = """
import sys
from orchestrator.cli.main import main
main(["up", sys.argv[1]])
sys.exit(f"not needed: {sorted({'cryptography', 'networkx', 'ray'} & sys.modules.keys())}")
"""
TOPOLOGY = """
name: t
services: {a: {image: ./a.wasm}}
"""


def test_up_on_this_machine_imports_nothing_that_only_a_cluster_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODNET_STATE", str(tmp_path))
    (tmp_path / "t.yaml").write_text(TOPOLOGY)
    (tmp_path / "a.wasm").write_bytes(bytes.fromhex("0061736d01000000"))
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(tmp_path / "t.yaml")], capture_output=True, text=True
    )
    assert "not needed: []" in done.stderr
    assert "a-1" in done.stderr + done.stdout


def test_without_a_wish_or_a_record_there_is_one_node_here(tmp_path: Path) -> None:
    backend = open_backend(DeploymentFolder(tmp_path, "t"), None, print)
    assert isinstance(backend, EmbeddedBackend)


def test_ray_that_is_not_installed_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "NEEDED", ("no_such_module",))
    with pytest.raises(RayMissingError, match=r"pip install 'podnet\[ray\]'"):
        open_backend(DeploymentFolder(tmp_path, "t"), RayWish(), print)


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:9", "refused"), ("nonsense", "HOST:PORT"), ("127.0.0.1:99999", "HOST:PORT")],
)
def test_an_address_where_nobody_is_is_said_at_once(address: str, reason: str) -> None:
    with pytest.raises(NoClusterError, match=reason):
        prepare(address, {})


def test_a_new_cluster_gets_a_token_that_nobody_knows(tmp_path: Path) -> None:
    first: dict[str, str] = {"RAY_TMPDIR": str(tmp_path)}
    second: dict[str, str] = {"RAY_TMPDIR": str(tmp_path)}
    assert prepare("", first) == prepare("", second) == ""
    assert first["RAY_AUTH_MODE"] == "token"
    assert len(first["RAY_AUTH_TOKEN"]) == 64
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]


def test_where_the_nodes_are_is_remembered(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    record = ClusterRecord("10.0.0.1:6379", 5.0, {"m": "a/1"})
    keep_record(tmp_path, record)
    assert read_record(tmp_path) == record
    for damaged in ("[1]", "", '{"nodes": 1}', "\x00"):
        (tmp_path / "cluster.json").write_text(damaged)
        with pytest.raises(RecordDamagedError, match="rm "):
            read_record(tmp_path)
    forget_record(tmp_path)
    forget_record(tmp_path)


def _errors() -> list[type[OrchestratorError]]:
    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        if "ray.actors" not in module.name and ".sdk" not in module.name:
            importlib.import_module(module.name)
    found, todo = [], [OrchestratorError]
    while todo:
        kind = todo.pop()
        found.append(kind)
        todo += kind.__subclasses__()
    return found


def test_every_error_survives_the_way_through_another_process() -> None:
    for kind in _errors():
        parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
        plain = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        error = kind(*(f"text {number}" for number, _ in enumerate(plain)))
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind
        assert again.args == error.args
