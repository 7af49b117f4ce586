"""The wheel: complete, and enough to run without the tools that built it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("podnet-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; its dependencies are those of the running interpreter."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    command = [sys.executable, "-m", "pip", f"--python={folder}/bin/python", "install", "--no-deps"]
    subprocess.run([*command, "--quiet", str(wheel)], check=True)
    (site,) = folder.glob("lib/python3.*/site-packages")
    # A plain path: entries of that folder are found, its own .pth files (our checkout's) are not.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def test_the_wheel_has_every_product_and_file_that_is_needed_at_run_time(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= {
        "pod_node/kernel/kernel.wasm",
        "pod_node/images/manifests/python.toml",
        "protos/node/v1/node.proto",
        "protos/node/v1/node_pb2.py",
        "protos/node/v1/node_pb2.pyi",
        "protos/node/v1/node_pb2_grpc.py",
        "orchestrator/py.typed",
    }
    guests = (ROOT / "pod_node" / "guests").rglob("*")
    shipped = {path for path in guests if path.is_file() and path.suffix in {".py", ".h", ".c"}}
    assert names >= {str(path.relative_to(ROOT)) for path in shipped}


def test_the_wheel_is_for_every_machine_and_holds_the_licence(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_the_wheel_has_nothing_of_the_build_the_tests_or_anyones_cache(wheel: Path) -> None:
    for name in zipfile.ZipFile(wheel).namelist():
        assert not name.startswith(("tests/", "build/", "vnet/fabric/", "topologies/"))
        assert "__pycache__" not in name
        assert not (name.startswith("pod_node/kernel/") and name.endswith((".c", ".h", "build.py")))


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "bin" / "podnet"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "validate" in done.stdout
    assert done.stderr == ""


def test_the_installed_packages_are_the_wheels_and_find_their_products(
    installed: Path, tmp_path: Path
) -> None:
    program = (
        "import importlib.resources as r, vnet, protos.node.v1.node_pb2_grpc as stubs;"
        "from pod_node.images import find_manifest;"
        "assert r.files('pod_node.kernel').joinpath('kernel.wasm').read_bytes()[:4] == b'\\0asm';"
        "find_manifest('python');"
        "print(vnet.__file__, stubs.__file__)"
    )
    command = [str(installed / "bin" / "python"), "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert all(path.startswith(str(installed)) for path in done.stdout.split())
