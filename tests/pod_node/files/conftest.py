from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pod_node.files import Roots, remove_roots
from tests.support.lab import Lab, lab


@pytest.fixture
async def pods() -> AsyncIterator[Lab]:
    async with lab() as fabric:
        yield fabric


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[Roots]:
    """Where pods' roots are; their tmpfs go at the end, too."""
    yield Roots(tmp_path / "state")
    remove_roots(tmp_path / "state")
