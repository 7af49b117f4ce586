"""Settings of all tests."""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

settings.register_profile("podnet", deadline=None)
"""How long an example takes says nothing on a machine that does other things too."""
settings.load_profile("podnet")


@pytest.fixture(autouse=True)
def _no_ray(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests from starting Ray in their own process, but for those that are about it."""
    ray = sys.modules.get("ray")
    if ray is not None and request.node.get_closest_marker("cluster") is None:
        monkeypatch.setattr(ray, "init", _refuse)


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("only tests with the mark `cluster` may start Ray")
