"""A fabric for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.lab import Lab, lab


@pytest.fixture
async def pods() -> AsyncIterator[Lab]:
    async with lab() as opened:
        yield opened
