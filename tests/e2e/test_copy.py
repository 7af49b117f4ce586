"""`podnet cp` as a person runs it, beside `podnet up`."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.up import podnet, podnet_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

TOPOLOGY = """
name: files
services:
  web:
    image: python
    command:
      - python
      - -c
      - |
        import os, time
        os.makedirs("/tmp/out/deep"); open("/tmp/out/deep/file", "w").write("from the pod")
        os.symlink("deep/file", "/tmp/out/link")
        print("written", flush=True)
        while not os.path.exists("/tmp/in/file"): time.sleep(0.05)
        print("got", open("/tmp/in/file").read(), os.listdir("/memory"), flush=True)
        open("/tmp/last", "w").write("words")
    tmpfs: /memory
    storage_opt: {size: 1M}
  other: {image: python, command: [python, -c, "import time; time.sleep(86400)"]}
"""


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


async def stream(state: Path, *arguments: str, given: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    out, _ = await process.communicate(given)
    assert process.returncode == 0
    return out


async def test_files_are_copied_out_of_and_into_pods(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "files.yaml"
    file.write_text(TOPOLOGY)
    here = tmp_path / "here"
    here.mkdir()
    async with podnet_up(file, state) as up:
        await up.until(lambda line: line.rstrip().endswith("written"))

        async def cp(*arguments: str) -> tuple[int, str]:
            outcome = await podnet(state, "cp", *arguments)
            return outcome.status, outcome.err

        assert await cp("web:/tmp/out", str(here)) == (0, f"2 files, 12 bytes to {here}\n")
        assert (here / "out/deep/file").read_text() == "from the pod"
        assert os.readlink(here / "out/link") == "deep/file"
        assert (await cp("-L", "web-1:/tmp/out/link", str(here / "one")))[0] == 0
        assert (here / "one").read_text() == "from the pod"
        raw = io.BytesIO(await stream(state, "cp", "web:/tmp/out", "-"))
        with tarfile.open(fileobj=raw) as archive:
            assert archive.getnames() == ["out", "out/deep", "out/deep/file", "out/link"]

        (here / "big").write_bytes(b"x" * (2 << 20))
        status, text = await cp(str(here / "big"), "web:/tmp")
        assert "the pod has reached its disk limit" in text
        assert status == 1
        status, text = await cp("web:/missing", str(here))
        assert (status, text) == (1, "error: /missing: No such file or directory\n")
        status, text = await cp("wab:/tmp", str(here))
        assert (status, 'did you mean "web"?' in text) == (1, True)
        assert (await cp("a", "b"))[0] == 2

        (here / "note").write_text("in memory")
        assert await cp(str(here / "note"), "web:/memory/note") == (
            0,
            "1 file, 9 bytes to web:/memory/note\n",
        )
        (here / "in").mkdir()
        (here / "in" / "file").write_text("hello")
        assert (await cp(str(here / "in"), "web:/tmp/in"))[0] == 0
        await up.until(lambda line: "got hello ['note']" in line)
        async with asyncio.timeout(30):
            await up.until(lambda line: line.startswith("web-1: exited (0)"))

        assert (await cp("web:/tmp/last", str(here / "last")))[0] == 0, "it does not run any more"
        assert (here / "last").read_text() == "words"
        await stream(
            state, "cp", "-", "web:/root", given=await stream(state, "cp", "web:/etc", "-")
        )
        assert (await cp("web:/root/etc/hostname", str(here / "name")))[0] == 0
        assert (here / "name").read_text() == "web-1\n"
