from __future__ import annotations

from contextlib import aclosing

import pytest

from pod_node.progress import Phase
from pod_node.shelf import ImageShelf
from tests.support.serving import FakeLibrary, MissingImageError


async def prepare(library: FakeLibrary, *references: str) -> None:
    async with aclosing(ImageShelf(library).prepare(references)) as steps:
        async for _ in steps:
            pass


async def test_a_prepared_image_is_at_hand_when_its_last_step_is_told() -> None:
    shelf = ImageShelf(FakeLibrary())
    assert shelf.find("python") is None
    async with aclosing(shelf.prepare(["python", "python", "ruby"])) as steps:
        async for step in steps:
            if step.phase is Phase.READY:
                image = shelf.find(step.image)
                assert image is not None
                assert image.reference == step.image
    assert shelf.find("ruby") is not None


async def test_an_image_is_prepared_once_a_request() -> None:
    library = FakeLibrary()
    await prepare(library, "python", "python")
    assert library.prepared == ["python"]


async def test_the_first_image_that_cannot_be_had_ends_the_preparation() -> None:
    library = FakeLibrary()
    with pytest.raises(MissingImageError):
        await prepare(library, "missing", "python")
    assert library.prepared == []


async def test_a_preparation_that_nobody_waits_for_ends_at_its_next_step() -> None:
    library = FakeLibrary()
    library.gate.clear()
    async with aclosing(ImageShelf(library).prepare(["python"])) as steps:
        assert (await anext(steps)).phase is Phase.FETCHING
    library.gate.set()
    await prepare(library, "ruby")
    assert library.prepared == ["ruby"]
