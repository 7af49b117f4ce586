"""A fabric for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.lab import Lab, lab
from tests.support.nodes import twin_lab


@pytest.fixture
async def pods(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """One node, or two where the test asks for them too."""
    async with twin_lab() if getattr(request, "param", 1) == 2 else lab() as opened:
        yield opened
