"""The demo topology, as a person uses it: `podnet up`, a browser's request, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.serving import short_folder
from tests.support.up import podnet_up, runs, wait_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = Path(__file__).parents[2] / "topologies" / "shop" / "shop.yaml"
PODS = ("web-1", "web-2", "api-1", "store-1")
ROUTE = re.compile(r"Served by <code>(web-[12])</code> &rarr; <code>(api-1)</code> .*(store-1)")
SOLD = re.compile(r'Oolong tea.*?<td class="number">(\d+)<td class="number">(\d+)', re.DOTALL)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


async def curl(url: str, *options: str) -> str:
    """Fetch with curl, which must not need to know that the name is this machine's."""
    parts = urlsplit(url)
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--show-error", "--fail", "--max-time", "30"),
        *("--resolve", f"{parts.hostname}:{parts.port}:127.0.0.1", *options, url),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, f"curl ended with {process.returncode}"
    return out.decode()


async def podnet(state: Path, *arguments: str) -> str:
    """Run another command while the deployment runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def stock(page: str) -> tuple[int, int]:
    """How much tea is left, and how much was sold."""
    match = SOLD.search(page)
    assert match is not None, page
    return int(match[1]), int(match[2])


async def test_the_shop_serves_through_all_three_and_its_data_survives(state: Path) -> None:
    async with podnet_up(SHOP, state) as up:
        url = await up.url()
        page = await curl(url)
        assert ROUTE.search(page), page
        left, sold = stock(page)
        await curl(f"{url}buy", "--data", "product=tea")
        assert stock(await curl(url)) == (left - 1, sold + 1)
        pages = [await curl(url) for _ in range(4)]
        assert len({match[1] for page in pages if (match := ROUTE.search(page))}) == 2
        pids = up.node_pids()
        assert pids
        assert await up.end(signal.SIGINT) == 130
        assert not any(runs(pid) for pid in pids), "no process is left"
    assert not (state / "shop" / "node.sock").exists()
    assert os.listdir(state) == ["shop"]

    async with podnet_up(SHOP, state) as up:
        assert stock(await curl(await up.url())) == (left - 1, sold + 1)
        assert await up.end(signal.SIGTERM) == 143


async def test_it_says_what_it_does_and_shows_a_table_and_logs(state: Path) -> None:
    async with podnet_up(SHOP, state) as up:
        await up.url()
        await up.until(lambda line: line.startswith("store-1 | "))
        table = "".join(up.out)
        for name, address in (("web-1", "10.10.0."), ("store-1", "10.20.0.")):
            assert re.search(rf"^{name} +python +{re.escape(address)}\d+ .*healthy", table, re.M)
        assert any(re.match(r"web-2: healthy after ", line) for line in up.err)
        pods = json.loads(await podnet(state, "ps", "shop", "--format", "json"))
        assert {pod["name"]: pod["status"] for pod in pods} == dict.fromkeys(PODS, "healthy")
        assert await up.end(signal.SIGINT) == 130
        assert not any("Traceback" in line for line in up.err + up.out)


async def test_a_second_up_finds_nothing_to_do_follows_the_logs_and_lets_go(state: Path) -> None:
    async with podnet_up(SHOP, state) as first:
        url = await first.url()
        async with podnet_up(SHOP, state, ends=False) as second:
            await second.until(lambda line: line == "nothing to do\n")
            assert await second.url() == url
            await curl(f"{url}buy", "--data", "product=tea")
            await second.until(lambda line: " | " in line)
            assert await second.end(signal.SIGINT) == 0
            await second.until(lambda line: '"podnet down shop" ends it' in line)
        await curl(url)
        assert await first.end(signal.SIGINT) == 130
        await wait_gone(first.node_pids())


async def started_at(state: Path) -> dict[str, str]:
    pods = json.loads(await podnet(state, "ps", "shop", "--format", "json"))
    assert {pod["name"] for pod in pods} == set(PODS)
    return {pod["name"]: pod["started_at"] for pod in pods}


async def test_a_killed_up_leaves_its_pods_to_the_next_one(state: Path) -> None:
    async with podnet_up(SHOP, state, ends=False) as up:
        url = await up.url()
        (node,) = up.node_pids()
        started = await started_at(state)
        await up.end(signal.SIGKILL)
    assert runs(node)
    await curl(url)
    async with podnet_up(SHOP, state) as up:
        await up.until(lambda line: line.startswith("store-1"))
        assert await up.url() == url
        assert await started_at(state) == started, "no pod was booted again"
        assert await up.end(signal.SIGINT) == 130
        assert not runs(node)
    assert not (state / "shop" / "node.sock").exists()
