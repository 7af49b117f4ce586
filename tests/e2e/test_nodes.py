"""Two node processes with real C programs: one deployment, as far as the programs can tell."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.pod_node.guests.c.rig import build_for_pod
from tests.support.node_process import SUBNET, NodeProcess, join, node_process
from tests.support.serving import short_folder
from vnet.trunk import TrunkSettings

# The compiler builds its C library first when it has not yet, which takes half a minute or more.
pytestmark = pytest.mark.timeout(180)
SERVER, CLIENT = SUBNET.network_address + 2, SUBNET.network_address + 3
SOURCE = Path(__file__).parent / "programs" / "talk.c"


def settings(node: str) -> TrunkSettings:
    return TrunkSettings(
        deployment="shop", node=node, listen="127.0.0.1:0", token=b"a secret of the deployment's"
    )


@dataclass
class Rig:
    """Two nodes, and an image that both have."""

    folder: Path
    first: NodeProcess
    second: NodeProcess
    image: str

    async def join(self) -> None:
        await join({self.first: [CLIENT], self.second: [SERVER]})

    async def talk(self) -> tuple[list[str], list[str]]:
        """Have a client on the first node talk to a server on the second: what both have seen."""
        await self.second.boot("server", self.image, "talk", "serve", "80", address=SERVER)
        await self.second.lines("server", "listening")
        await self.first.boot("client", self.image, "talk", "call", "server", "80", address=CLIENT)
        return await self.first.lines("client", "said"), await self.second.lines("server", "said")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    module = tmp_path_factory.mktemp("programs") / "talk.wasm"
    build_for_pod(module, SOURCE)
    return f"file:{module}"


@pytest.fixture
async def rig(image: str) -> AsyncIterator[Rig]:
    with short_folder() as folder:
        async with node_process("first", folder) as first, node_process("second", folder) as second:
            for node in (first, second):
                await node.open_trunk(settings(node.name))
                await node.prepare(image)
                await node.publish({"server": [SERVER], "client": [CLIENT]})
            rig = Rig(folder, first, second, image)
            await rig.join()
            yield rig


def end_of(lines: list[str], which: str) -> str:
    return next(line for line in lines if line.startswith(which)).partition(" ")[2]


async def test_programs_on_two_nodes_talk_and_see_each_other(rig: Rig) -> None:
    client, server = await rig.talk()
    assert end_of(client, "there") == end_of(server, "here") == f"{SERVER} 80"
    assert end_of(server, "there") == end_of(client, "here")
    assert IPv4Address(end_of(client, "here").split()[0]) == CLIENT
    assert end_of(client, "said") == end_of(server, "said") == "hello"
    await rig.first.kill_pod("client")
    assert end_of(await rig.second.lines("server", "end"), "end") == "orderly"


async def test_a_node_that_stands_still_for_a_while_is_waited_for(rig: Rig) -> None:
    await rig.second.boot("server", rig.image, "talk", "serve", "80", address=SERVER)
    await rig.second.lines("server", "listening")
    rig.second.process.send_signal(signal.SIGSTOP)
    try:
        await rig.first.boot("client", rig.image, "talk", "call", "server", "80", address=CLIENT)
        while not (peers := await rig.first.peers())[0].flows:
            pass
        assert peers[0].connected
    finally:
        rig.second.process.send_signal(signal.SIGCONT)
    assert end_of(await rig.first.lines("client", "said"), "said") == "hello"
    assert end_of(await rig.second.lines("server", "said"), "said") == "hello"


async def test_a_node_that_is_killed_and_comes_back_resets_what_it_had(rig: Rig) -> None:
    await rig.talk()
    await rig.second.kill()
    async with node_process("second", rig.folder / "again") as fresh:
        await fresh.open_trunk(settings("second"))
        await join({rig.first: [CLIENT], fresh: [SERVER]})
        assert end_of(await rig.first.lines("client", "end"), "end") == "Connection reset by peer"
        await rig.first.boot("again", rig.image, "talk", "call", "server", "80", address=CLIENT)
        lines = await rig.first.lines("again", "connect")
        assert end_of(lines, "connect") == "Host is unreachable"
