"""Two machines of a Ray cluster that give each other a module, run as a process of its own.

`python -m tests.support.ray_carrying ADDRESS STATE MANIFEST` prints what came of each attempt as
one line of JSON: the honest one, one whose bytes are changed on the way, one with a stranger's
seal.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import ray

from orchestrator.backends.ray import actors
from orchestrator.backends.ray.environment import prepare
from orchestrator.cluster.carrying import Carrier, carry
from orchestrator.cluster.certificates import open_credentials
from orchestrator.cluster.values import NodeOrder, NodeReady
from pod_node.images import Offer, Part, PartKind

LEASE_S = 60.0
KEY = bytes(32)


class Changed:
    """A way on which bytes are changed, or another seal is put."""

    def __init__(self, source: Carrier, *, piece: bool) -> None:
        self._source = source
        self._piece = piece

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    async def offer(self, part: Part) -> Offer:
        offer = await self._source.offer(part)
        return offer if self._piece else replace(offer, seal=bytes(32))

    def read(self, part: Part, offset: int) -> object:
        piece = self._source.read(part, offset)
        return ray.put(ray.get(piece)[::-1]) if self._piece else piece


async def main(address: str, state: Path, manifest: str) -> None:
    actors.connect(prepare(address, os.environ))
    keeper = actors.KeeperHandle("carrying", LEASE_S)
    credentials = open_credentials("carrying", state / "credentials", datetime.now(UTC))
    ends: dict[str, actors.SupervisorHandle] = {}
    for machine in actors.machines():
        name = machine.labels.get("podnet-node", "")
        if name:
            own, _ = credentials.node(name)
            end = ends[name] = actors.SupervisorHandle("carrying", machine, keeper, name)
            order = NodeOrder(
                deployment="carrying",
                node=name,
                host=machine.address,
                credentials=own,
                lease_s=LEASE_S,
                sealing_key=KEY,
            )
            assert isinstance(await end.start(order), NodeReady)
    giver, taker = ends["a"], ends["b"]
    stock = await giver.stock(manifest)
    part = next(part for part in stock.has if part.kind is PartKind.COMPILED)

    async def told(progress: tuple[int, int]) -> None:
        pieces.append(progress)

    for source in (Changed(giver, piece=True), Changed(giver, piece=False), giver):
        pieces: list[tuple[int, int]] = []
        failed = await carry(part, source, [taker], told)  # type: ignore[arg-type]
        has = part in (await taker.stock(manifest)).has
        answer = {"failed": str(failed.get(0, "")), "has": has, "told": pieces}
        sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    for end in ends.values():
        await end.stop()
        end.end()
    keeper.end()
    actors.disconnect()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
