from __future__ import annotations

from dataclasses import replace

from orchestrator.desired.plan import PlannedPortal
from orchestrator.launch.reachable import portal_backends, reachable_names, ready_pods
from orchestrator.views.phases import Phase, PodView
from pod_node.status import PortalBackend
from tests.support.plans import make_plan, planned_pod
from tests.support.pods import LOOPBACK, make_spec, tcp_check

CHECK = tcp_check(80)


def test_a_pod_without_checks_is_ready_while_it_runs() -> None:
    view = PodView(spec=make_spec("a-1"))
    phases = [phase for phase in Phase if ready_pods([replace(view, phase=phase)])]
    assert phases == [Phase.RUNNING]


def test_a_pod_with_checks_is_ready_while_it_is_healthy() -> None:
    view = PodView(spec=make_spec("a-1", check=CHECK))
    phases = [phase for phase in Phase if ready_pods([replace(view, phase=phase)])]
    assert phases == [Phase.HEALTHY]


def test_names_hold_ready_pods_only_and_never_vanish() -> None:
    plan = make_plan(planned_pod("web-1"), planned_pod("web-2"))
    ready = ready_pods([PodView(spec=make_spec("web-2"), phase=Phase.RUNNING)])
    assert reachable_names(plan, ready) == {
        "front": {"web": [LOOPBACK], "web-1": [], "web-2": [LOOPBACK]}
    }


def test_portals_lead_to_ready_pods_that_have_a_network() -> None:
    portal = PlannedPortal(service="web", port=80, host_port=None, pods=("web-1", "web-2", "web-3"))
    ready = ready_pods(
        [
            PodView(spec=make_spec("web-1"), phase=Phase.RUNNING),
            PodView(spec=make_spec("web-2", network=None), phase=Phase.RUNNING),
        ]
    )
    assert portal_backends(portal, ready) == (PortalBackend("web-1", LOOPBACK),)
