"""What tests of the plugin share: projects of their own, with the images that this machine has."""

from __future__ import annotations

import os

import pytest

from pod_node.images import cache_root

CACHE = str(cache_root(os.environ))
"""Before pytester gives its projects another home."""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project that has podnet and pytest-asyncio installed."""
    monkeypatch.setenv("PODNET_CACHE", CACHE)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    return pytester
