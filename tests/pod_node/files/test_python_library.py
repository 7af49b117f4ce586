"""A pod changes the library of its Python, for itself alone."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pod_node.files import Roots
from pod_node.spec import PodSpec
from tests.support.lab import BUILT_PYTHON, Guest, Lab, built_python_image, python_image

if TYPE_CHECKING:
    from pod_node.images import CompiledImage

PREAMBLE = """
import os, subprocess, sys
LIBRARY = f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}"
def python(code):
    done = subprocess.run(["python", "-c", code], capture_output=True, text=True)
    return done.stdout + done.stderr
"""


class Pods:
    """Replicas of one service."""

    def __init__(self, pods: Lab, roots: Roots, image: CompiledImage) -> None:
        self._pods, self._roots = pods, roots
        self._image = image

    async def run(self, code: str, name: str = "web-1") -> str:
        """Run a program in a fresh pod; what it printed."""
        spec = PodSpec(
            name=name,
            service="web",
            image="python",
            command=("python", "-c", PREAMBLE + textwrap.dedent(code)),
            interfaces=(self._pods.interface("front"),),
        )
        guest = Guest(spec.name, "")
        folders = self._roots.open(spec, self._image.mounts)
        guest.pod = self._pods.runtime.boot(
            spec, self._image, guest.hear, guest.ended, None, folders
        )
        end = await guest.end()
        assert (end.status, guest.errors.decode()) == (0, "")
        return guest.output.decode()


@pytest.fixture(params=["python", pytest.param(BUILT_PYTHON, marks=pytest.mark.slow)])
def replicas(pods: Lab, roots: Roots, request: pytest.FixtureRequest) -> Pods:
    image = built_python_image() if request.param == BUILT_PYTHON else python_image()
    if image is None:
        pytest.skip(f"not built here: podnet image build {BUILT_PYTHON}")
    return Pods(pods, roots, image)


async def test_an_edited_module_is_imported_by_this_process_and_others(replicas: Pods) -> None:
    output = await replicas.run(
        """
        import json.decoder
        print(json.__file__.startswith(LIBRARY))
        for path in (f"{LIBRARY}/colorsys.py", f"{LIBRARY}/json/tool.py"):
            with open(path, "w") as file:
                file.write("MINE = 42\\n")
        import colorsys, json.tool
        print(colorsys.MINE, colorsys.__file__ == f"{LIBRARY}/colorsys.py", json.tool.MINE)
        print(python("import colorsys; print(colorsys.MINE)"), end="")
        """
    )
    assert output.split() == ["True", "42", "True", "42", "42"]


async def test_a_deleted_module_is_missing_in_this_pod_only(replicas: Pods) -> None:
    output = await replicas.run(
        """
        os.remove(f"{LIBRARY}/colorsys.pyc")
        try:
            import colorsys
        except ModuleNotFoundError as error:
            print(error.name)
        print(python("import colorsys").splitlines()[-1])
        import shutil
        shutil.rmtree(f"{LIBRARY}/json")
        print(os.path.exists(f"{LIBRARY}/json"), python("import json").splitlines()[-1])
        """
    )
    assert output.splitlines() == [
        "colorsys",
        "ModuleNotFoundError: No module named 'colorsys'",
        "False ModuleNotFoundError: No module named 'json'",
    ]
    unharmed = "import colorsys, json; print(json.dumps(os.path.exists(f'{LIBRARY}/json')))"
    assert await replicas.run(unharmed, name="web-2") == "true\n"


async def test_a_package_is_installed_by_copying_it_there(replicas: Pods) -> None:
    output = await replicas.run(
        """
        import pathlib, shutil
        source = pathlib.Path("/tmp/wheel/greeting")
        source.mkdir(parents=True)
        (source / "__init__.py").write_text("from greeting.words import HELLO\\n")
        (source / "words.py").write_text("HELLO = 'hello'\\n")
        shutil.copytree("/tmp/wheel", f"{LIBRARY}/site-packages")
        print(python("import greeting; print(greeting.HELLO, greeting.__file__)"), end="")
        print(os.path.isdir(f"{LIBRARY}/site-packages/greeting/__pycache__"))
        """
    )
    place = Path("site-packages/greeting/__init__.py")
    assert output.startswith("hello /usr/lib/python3.")
    assert output.endswith(f"/{place}\nTrue\n")


async def test_a_program_that_changes_nothing_changes_no_layer(replicas: Pods) -> None:
    output = await replicas.run(
        """
        import asyncio, http.server, json, sqlite3, urllib.request
        print(open("/proc/layers").read(), end="")
        """
    )
    assert [line.split()[1] for line in output.splitlines()] == ["unchanged", "unchanged"]
