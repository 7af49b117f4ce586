"""Faults that a node has no room for: refused when asked for, told when they arise."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.events.log import EventLog
from orchestrator.network.changes import Mend, Part
from orchestrator.network.configuration import fitting
from orchestrator.network.impairments import Impairments
from orchestrator.network.shaping import Shaping
from tests.support.networks import plan_of, topology
from vnet.configuration import FAULTS_MOST, FaultKind, GuardedPorts

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.backends.nodes import Nodes
    from orchestrator.desired.plan import Plan
    from vnet.configuration import NetworkConfiguration

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


@pytest.fixture
def computations(monkeypatch: pytest.MonkeyPatch) -> list[Collection[str]]:
    """Which pods were up, for each time that a network was worked out."""
    made: list[Collection[str]] = []
    work_out = Impairments.configuration

    def counted(self: Impairments, plan: Plan, up: Collection[str]) -> NetworkConfiguration:
        made.append(up)
        return work_out(self, plan, up)

    monkeypatch.setattr(Impairments, "configuration", counted)
    return made


async def test_a_network_is_worked_out_once_for_each_change(
    shaping: Shaping, computations: list[Collection[str]]
) -> None:
    await shaping.pods_up({"gw-1"})
    assert computations == [{"gw-1"}]
    await shaping.pods_up({"gw-1"})
    assert shaping.configuration == shaping.configuration
    assert len(computations) == 1, "nothing has changed, whoever looks"
    await shaping.change(CUT)
    assert shaping.configuration.faults
    assert len(computations) == 2, "that there is room for a fault is seen by the same"
    await shaping.change(Mend(kind=FaultKind.CUT, name="partition-1"))
    await shaping.pods_up(set())
    assert len(shaping.configuration.routes) == 0
    assert len(computations) == 4


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


async def test_what_pods_must_never_reach_goes_to_the_node_with_all_else(shaping: Shaping) -> None:
    applied: list[NetworkConfiguration] = []

    class Node:
        async def configure_network(self, configuration: NetworkConfiguration) -> None:
            applied.append(configuration)

    guarded = GuardedPorts(addresses=(), ports=(), is_here=True, reason="the orchestrator's")
    shaping.guarded = (guarded,)
    shaping.connect(cast("Nodes", Node()))
    await shaping.pods_up(())
    assert applied[-1].guarded == (guarded,)
