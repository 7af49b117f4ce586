"""The example with links, a router, a policy and a schedule, as a person runs it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.up import podnet, podnet_up, write_outage

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def sooner(tmp_path: Path) -> Path:
    """The example with a schedule that begins at once and leaves the line cut."""
    return write_outage(
        tmp_path,
        "schedule:\n"
        "  - {at: 1s, link: [client, border], set: {delay: 30ms}, duration: 1s}\n"
        "  - {at: 2s, partition: [[client], [border]], name: line-cut}\n",
    )


async def test_a_client_reaches_servers_beyond_a_router_until_its_line_is_cut(
    sooner: Path, state: Path
) -> None:
    async with podnet_up(sooner, state) as up:
        await up.until(lambda line: " ms  server-" in line)
        await up.until(lambda line: "line-cut" in line)
        failure = await up.until(lambda line: "ms  failed:" in line)
        assert failure.startswith("client-1")
        cut = len(up.out)
        assert (await podnet(state, "heal", "line-cut")).status == 0
        await up.until(lambda _: any(" ms  server-" in line for line in up.out[cut:]))
        assert await up.end(signal.SIGINT) == 130
