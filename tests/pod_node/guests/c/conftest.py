"""Pods that run C programs, for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pod_node.engine import Compiler, create_engine
from tests.pod_node.guests.c.rig import CPods


@pytest.fixture(scope="session")
def compiler() -> Compiler:
    return Compiler(create_engine())


@pytest.fixture
async def pods(compiler: Compiler, tmp_path: Path) -> AsyncIterator[CPods]:
    pods = CPods(compiler, tmp_path)
    try:
        yield pods
    finally:
        await pods.close()
