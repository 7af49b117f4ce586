"""The plugin for pytest, loaded wherever podnet is installed: as little as can be.

Owns the decision whether the fixtures can be had; they are in `fixtures.py`, and nothing else of
podnet is imported before a test asks for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures beside pytest-asyncio, without which they could not be."""
    if config.pluginmanager.hasplugin("asyncio"):
        from podnet import fixtures

        config.pluginmanager.register(fixtures, "podnet_fixtures")
