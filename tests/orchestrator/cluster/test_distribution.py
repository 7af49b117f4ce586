"""Images on several real nodes with caches of their own: fetched once, compiled once, given on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from orchestrator.codec import NodeRefusedError
from pod_node.images import ImageDesk, ImageParts, Part, PartKind
from pod_node.progress import Phase
from tests.support.fleets import DeskCarrier, FleetRig, fleet_rig, sleeper
from tests.support.serving import short_folder


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FleetRig]:
    with short_folder() as folder:
        monkeypatch.setenv("PODNET_STATE", str(folder))
        async with fleet_rig(folder) as rig:
            yield rig


@pytest.fixture
def image(tmp_path: Path) -> str:
    """An image with a manifest, whose module is to be fetched."""
    module = Path(sleeper(tmp_path).removeprefix("file:"))
    content = module.read_bytes()
    place = tmp_path / "image.toml"
    place.write_text(
        f'name = "sleeper"\nkind = "command"\nsources = ["file:{module}"]\n'
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nsize_bytes = {len(content)}\n'
    )
    return f"file:{place}"


async def bring(rig: FleetRig, image: str) -> Counter[Phase]:
    """Have all nodes get an image; how often which step was told."""
    phases: Counter[Phase] = Counter()
    async with aclosing(rig.fleet.prepare_image(image)) as steps:
        async for step in steps:
            phases[step.phase] += 1
    return phases


def files(cache: Path, folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (cache / folder).glob("*.*wasm")}


async def test_the_second_node_fetches_nothing_and_compiles_nothing(
    rig: FleetRig, image: str, tmp_path: Path
) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    for cache in (a, b, c):
        await rig.add(cache.name, cache=cache)
    phases = await bring(rig, image)
    assert phases[Phase.CHECKING] == 1
    assert phases[Phase.COMPILING] == 2  # its beginning and its end
    assert phases[Phase.RECEIVING] == 1
    assert len(files(a, "modules")) == 1
    assert files(b, "modules") == files(c, "modules") == {}
    assert files(a, "compiled") == files(b, "compiled") == files(c, "compiled")
    assert rig.notices == []
    assert Phase.RECEIVING not in await bring(rig, image)


async def test_a_node_that_joins_later_gets_it_from_those_who_have_it(
    rig: FleetRig, image: str, tmp_path: Path
) -> None:
    await rig.add("a", cache=tmp_path / "a")
    await bring(rig, image)
    Path(image.removeprefix("file:")).with_name("sleeper.wasm").unlink()
    await rig.add("b", cache=tmp_path / "b")
    phases = await bring(rig, image)
    assert phases[Phase.RECEIVING] == 1
    assert not {Phase.FETCHING, Phase.COMPILING} & phases.keys()


async def test_nodes_on_one_machine_share_its_cache(
    rig: FleetRig, image: str, tmp_path: Path
) -> None:
    await rig.add("a", cache=tmp_path / "a")
    await rig.add("b", cache=tmp_path / "a")
    phases = await bring(rig, image)
    assert phases[Phase.COMPILING] == 2
    assert Phase.RECEIVING not in phases


class OtherProcessor(DeskCarrier):
    """A machine whose compiled modules are others."""

    def __init__(self, desk: ImageDesk) -> None:
        super().__init__(ImageDesk(ImageParts(desk.parts.cache, "another processor"), bytes(32)))


async def test_a_machine_with_another_processor_gets_the_module_and_compiles_it(
    rig: FleetRig, image: str, tmp_path: Path
) -> None:
    await rig.add("a", cache=tmp_path / "a")
    await rig.add("b", cache=tmp_path / "b", carrier=OtherProcessor)
    phases = await bring(rig, image)
    assert phases[Phase.CHECKING] == 1
    assert phases[Phase.RECEIVING] == 1
    assert phases[Phase.COMPILING] == 4
    assert files(tmp_path / "a", "modules") == files(tmp_path / "b", "modules")


class Forger(DeskCarrier):
    """A machine whose bytes are changed on the way."""

    def read(self, part: Part, offset: int) -> object:
        piece = self.desk.giver.read(part, offset)
        return piece[:-1] + bytes([piece[-1] ^ 1])


async def test_other_bytes_than_were_offered_are_refused_and_the_node_uses_its_own_sources(
    rig: FleetRig, image: str, tmp_path: Path
) -> None:
    await rig.add("a", cache=tmp_path / "a", carrier=Forger)
    await rig.add("b", cache=tmp_path / "b")
    phases = await bring(rig, image)
    (notice,) = rig.notices
    assert "node b did not get image" in notice
    assert "wrong digest" in notice
    assert notice.endswith("it uses its own sources")
    assert phases[Phase.CHECKING] == 2
    assert files(tmp_path / "a", "modules") == files(tmp_path / "b", "modules")


class Stranger(DeskCarrier):
    """A machine that does not know the deployment's key."""

    def __init__(self, desk: ImageDesk) -> None:
        super().__init__(ImageDesk(desk.parts, b"another key"))


async def test_what_has_no_seal_of_the_deployment_is_refused(
    rig: FleetRig, image: str, tmp_path: Path
) -> None:
    await rig.add("a", cache=tmp_path / "a", carrier=Stranger)
    await rig.add("b", cache=tmp_path / "b")
    await bring(rig, image)
    (notice,) = rig.notices
    assert "has no seal of this deployment" in notice
    assert len(files(tmp_path / "b", "modules")) == 1


async def test_an_image_that_nobody_can_have_is_said_by_those_who_tried(
    rig: FleetRig, image: str, tmp_path: Path
) -> None:
    await rig.add("a", cache=tmp_path / "a")
    await rig.add("b", cache=tmp_path / "b")
    Path(image.removeprefix("file:")).with_name("sleeper.wasm").unlink()
    with pytest.raises(NodeRefusedError, match="no source could give its module"):
        await bring(rig, image)


def test_parts_are_named_for_people() -> None:
    assert str(Part(PartKind.COMPILED, "ab" * 32)) == "compiled module abababababab"
