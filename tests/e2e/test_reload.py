"""Changed files reach running pods: `topologies/reload` with `podnet up --watch`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serving import short_folder
from tests.support.up import Up, podnet, podnet_up

pytestmark = pytest.mark.timeout(300)

RELOAD = Path(__file__).parents[2] / "topologies" / "reload"


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RELOAD, tmp_path / "reload"))


async def portal_of(up: Up, service: str) -> tuple[str, int]:
    """A portal's host name and port."""
    pattern = re.compile(rf"http://(\S*-{service}-8000\.localhost):([0-9]+)")
    line = await up.until(lambda line: pattern.search(line) is not None)
    found = pattern.search(line)
    assert found is not None
    return found[1], int(found[2])


async def get(portal: tuple[str, int]) -> str:
    host, port = portal

    def ask() -> str:
        headers = {"Host": f"{host}:{port}"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    return await asyncio.to_thread(ask)


async def comes(portal: tuple[str, int], text: str) -> None:
    """Wait until a page says something."""
    async with asyncio.timeout(60):
        while await get(portal) != text:  # noqa: ASYNC110  # the page is all there is to see
            await asyncio.sleep(0.1)


def page(folder: Path, text: str) -> None:
    file = folder / "site" / "page.py"
    file.write_text(f"def text() -> str:\n    return {text!r}\n")


async def starts(state: Path, service: str) -> int:
    """How often a service's pod was restarted, by what its log says."""
    outcome = await podnet(state, "logs", service)
    return outcome.out.count("serving")


async def test_changed_files_are_taken_up_by_a_reload_and_by_a_restart(
    state: Path, folder: Path
) -> None:
    async with podnet_up(folder / "reload.yaml", state, "--watch") as up:
        live, plain = await portal_of(up, "live"), await portal_of(up, "plain")
        await asyncio.gather(comes(live, "hello\n"), comes(plain, "hello\n"))
        before = await starts(state, "live"), await starts(state, "plain")
        page(folder, "changed")
        await asyncio.gather(comes(live, "changed"), comes(plain, "changed"))
        assert await starts(state, "live") == before[0], "the live one reloaded by itself"
        assert await starts(state, "plain") == before[1] + 1
        (folder / "site" / "notes.md").write_text("ignored")
        (folder / "site" / "deep").mkdir()
        (folder / "site" / "deep" / "more.py").write_text("x = 1")
        await up.until(lambda line: "synced" in line and "deep/more.py" in line)
        here = folder.parent / "copy"
        assert (await podnet(state, "cp", "live:/app/site", str(here))).status == 0
        assert sorted(p.name for p in here.rglob("*")) == ["deep", "more.py", "page.py"]
        shutil.rmtree(folder / "site" / "deep")
        await up.until(lambda line: "removed /app/site/deep" in line)
        assert (await podnet(state, "cp", "live:/app/site/deep", str(here))).status == 1


async def page_in(state: Path, pod: str) -> str:
    copied = await podnet(state, "cp", f"{pod}:/app/site/page.py", "-")
    return copied.out


async def test_pods_that_come_later_get_what_others_got_before(state: Path, folder: Path) -> None:
    file = folder / "reload.yaml"
    live_first = "action: sync, initial_sync: true"
    text = file.read_text().replace(live_first, "action: sync").rstrip()
    file.write_text(f"{text}\n        - {{path: ./conf, action: restart}}\n")
    (folder / "conf").mkdir()
    async with podnet_up(file, state, "--watch") as up:
        await up.until(lambda line: line.startswith("plain-1: synced page.py"))
        page(folder, "changed")
        await up.until(lambda line: line == "plain: synced page.py; restarted\n")
        assert "changed" in await page_in(state, "live-1")
        (folder / "conf" / "settings").touch()
        await up.until(lambda line: line == "plain: restarted\n")
        assert (await podnet(state, "scale", "live=2", "plain=2")).status == 0
        await up.until(lambda line: line == "live-2: synced page.py\n")
        await up.until(lambda line: line == "plain-2: synced page.py; restarted\n")
        assert "changed" in await page_in(state, "live-2")
        assert "changed" in await page_in(state, "plain-2")
        assert (await podnet(state, "logs", "plain-2")).out.count("serving") >= 1
        told = len(up.err)
        for pid in up.node_pids():
            os.kill(pid, signal.SIGKILL)
        await up.until(
            lambda _: sum("live-" in line and "synced" in line for line in up.err[told:]) > 0
        )
        for pod in ("live-1", "live-2"):
            async with asyncio.timeout(60):
                while "changed" not in await page_in(state, pod):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
