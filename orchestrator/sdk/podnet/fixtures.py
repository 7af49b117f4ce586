"""Fixtures for pytest: deployments that a test starts, and that are gone after it.

Owns the fixtures `podnet`, `podnet_module` and `podnet_session`, which differ in how long their
deployments live, and the report of a failed test: the last lines and events of every deployment
that was running go with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from podnet.deployment import Deployment
    from podnet.records import Duration
    from podnet.source import TopologyLike

LINES = "100"
"""Lines of each pod in the report of a failed test."""
ANSWER_S = 10.0
"""How long a deployment may take to hand them over."""

_FIXTURES = frozenset({"podnet", "podnet_module", "podnet_session"})
_RUNNING = pytest.StashKey[list["Deployment"]]()


class Podnet:
    """Starts deployments that end with the fixture."""

    def __init__(self, stack: AsyncExitStack, running: list[Deployment], folder: str) -> None:
        self._stack = stack
        self._running = running
        self._folder = folder

    async def __call__(
        self,
        topology: TopologyLike,
        *,
        wait: bool = True,
        timeout: Duration = 120.0,  # noqa: ASYNC109 - part of the interface
        directory: str | os.PathLike[str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Deployment:
        """Start a topology and wait until its pods are ready; see `podnet.deploy`.

        Relative paths start in the folder of the test.
        """
        from podnet.deploying import deploy

        deployment = await self._stack.enter_async_context(
            deploy(
                topology,
                wait=wait,
                timeout=timeout,
                directory=directory or self._folder,
                variables=variables,
            )
        )
        self._running.append(deployment)
        return deployment


async def _podnet(request: pytest.FixtureRequest) -> AsyncGenerator[Podnet, None]:
    running = request.config.stash.setdefault(_RUNNING, [])
    before = len(running)
    folder = os.fspath(request.path.parent)
    async with AsyncExitStack() as stack:
        yield Podnet(stack, running, folder)
    del running[before:]


@pytest_asyncio.fixture
async def podnet(request: pytest.FixtureRequest) -> AsyncGenerator[Podnet, None]:
    """Start deployments that end with the test."""
    async for starter in _podnet(request):
        yield starter


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def podnet_module(request: pytest.FixtureRequest) -> AsyncGenerator[Podnet, None]:
    """Start deployments that end with the module; its tests must share the module's loop."""
    async for starter in _podnet(request):
        yield starter


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def podnet_session(request: pytest.FixtureRequest) -> AsyncGenerator[Podnet, None]:
    """Start deployments that end with the session; tests must share the session's loop."""
    async for starter in _podnet(request):
        yield starter


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the logs and events of running deployments into the report of a failure."""
    report = yield
    fixtures = getattr(item, "fixturenames", ())
    if report.failed and call.when != "teardown" and not _FIXTURES.isdisjoint(fixtures):
        for deployment in item.config.stash.get(_RUNNING, []):
            for verb, arguments in _VERBS.items():
                said = _said(deployment, verb, *arguments)
                report.sections.append((f"podnet {verb} of {deployment.name}", said))
    return report


_VERBS = {
    "ps": (),
    "events": ("--since", "1h", "--until", "0s"),
    "logs": ("--tail", LINES, "--no-color"),
}


def _said(deployment: Deployment, *words: str) -> str:
    """Ask a deployment from outside: the test's own loop does not run now."""
    command = [sys.executable, "-P", "-m", "orchestrator.cli.main", *words]
    try:
        done = subprocess.run(
            [*command, "-d", deployment.name],
            env={**os.environ, "PODNET_STATE": str(deployment.state)},
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
        )
    except subprocess.TimeoutExpired:
        return "it did not answer"
    return done.stdout + done.stderr
