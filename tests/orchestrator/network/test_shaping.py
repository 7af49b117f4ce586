"""Faults that a node has no room for: refused when asked for, told when they arise."""

from __future__ import annotations

import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.events import EventLog
from orchestrator.network.changes import Mend, Part
from orchestrator.network.configuration import fitting
from orchestrator.network.shaping import Shaping
from tests.support.networks import plan_of, topology
from vnet.configuration import FAULTS_MOST, FaultKind

CUT = Part(kind=FaultKind.CUT, groups=(("web",), ("gw",)))


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def shaping(notices: list[str]) -> Shaping:
    declared = topology(
        {
            "web": {"networks": ["front"]},
            "gw": {"networks": ["front", "back"], "router": True},
            "api": {"networks": ["back"]},
        },
        {"front": {}, "back": {}},
    )

    events = EventLog(lambda: 0.0, notices.append)
    return Shaping(declared, plan_of(declared), events, lambda: 0.0)


async def cut_as_long_as_it_works(shaping: Shaping) -> None:
    for _ in range(FAULTS_MOST):
        await shaping.change(CUT)


async def test_a_fault_that_forwarded_packets_could_get_past_is_refused(shaping: Shaping) -> None:
    await shaping.pods_up({"web-1", "gw-1", "api-1"})
    with pytest.raises(OrchestratorError, match="with what routers forward there would be more"):
        await cut_as_long_as_it_works(shaping)
    made = len(shaping.faults())
    assert FAULTS_MOST // 4 <= made < FAULTS_MOST // 2
    configuration = shaping.configuration
    assert len(configuration.faults) <= FAULTS_MOST
    assert fitting(configuration) == (configuration, ())
    await shaping.change(Mend(kind=FaultKind.CUT, name="partition-1"))
    await shaping.change(CUT)
    assert len(shaping.faults()) == made


async def test_faults_that_leak_once_a_router_forwards_are_told(
    shaping: Shaping, notices: list[str]
) -> None:
    for _ in range(FAULTS_MOST // 2):
        await shaping.change(CUT)
    told = len(notices)
    await shaping.pods_up({"web-1", "gw-1", "api-1"})
    assert "packets that routers forward may get past partition-" in notices[told]
    await shaping.pods_up({"web-1", "gw-1"})
    assert len(notices) == told + 1, "once is enough"
