"""The example with links, a router, a policy and a schedule, as a person runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.up import podnet_up

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "topologies" / "outage"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def sooner(tmp_path: Path) -> Path:
    """The example with a schedule that begins at once and leaves the line cut."""
    text = (FOLDER / "outage.yaml").read_text().replace("./app", str(FOLDER / "app"))
    declared, _, _ = text.partition("schedule:")
    file = tmp_path / "outage.yaml"
    file.write_text(
        f"{declared}schedule:\n"
        "  - {at: 1s, link: [client, border], set: {delay: 30ms}, duration: 1s}\n"
        "  - {at: 2s, partition: [[client], [border]], name: line-cut}\n"
    )
    return file


async def test_a_client_reaches_servers_beyond_a_router_until_its_line_is_cut(
    sooner: Path, state: Path
) -> None:
    async with podnet_up(sooner, state) as up:
        await up.until(lambda line: " ms  server-" in line)
        await up.until(lambda line: "line-cut" in line)
        failure = await up.until(lambda line: "ms  failed:" in line)
        assert failure.startswith("client-1")
        cut = len(up.out)
        await podnet(state, "heal", "line-cut")
        await up.until(lambda _: any(" ms  server-" in line for line in up.out[cut:]))
        assert await up.end(signal.SIGINT) == 130


async def podnet(state: Path, *arguments: str) -> None:
    """Run another command while the deployment runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator.cli.main", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PODNET_STATE": str(state)},
    )
    assert await process.wait() == 0
