from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.desired.plan import PlannedNetwork, PlannedPortal
from orchestrator.desired.reconcile import Desired, Observed, ObservedPod, reconcile
from orchestrator.desired.steps import (
    ApplySetting,
    AttachNetwork,
    Boot,
    ClosePortal,
    DetachNetwork,
    OpenPortal,
    PrepareImage,
    Remove,
    Replace,
    Restart,
    Step,
    Stop,
    step_view,
)
from orchestrator.views.phases import Phase
from pod_node.status import OpenPortal as OpenedPortal
from tests.support.plans import make_plan, planned_pod

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.desired.plan import Plan

NAMES = st.sampled_from([f"{service}-{n}" for service in "ab" for n in (1, 2, 3)])
VERSIONS = st.sampled_from([("v1",), ("v2",)])
IMAGES = st.sampled_from(["python", "ruby"])
SUBNETS = st.sampled_from([IPv4Network("127.0.0.0/24"), IPv4Network("127.1.0.0/16")])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    names = draw(st.lists(NAMES, unique=True))
    pods = [planned_pod(name, image=draw(IMAGES), command=draw(VERSIONS)) for name in names]
    ports = draw(st.lists(st.sampled_from([80, 81]), unique=True))
    portals = [
        PlannedPortal(service="a", port=port, host_port=draw(st.sampled_from([None, 9])), pods=())
        for port in ports
    ]
    plan = make_plan(*pods, portals=portals)
    network = replace(plan.networks[0], subnet=draw(SUBNETS))
    others = draw(st.booleans())
    extra = PlannedNetwork(
        name="extra", subnet=IPv4Network("127.9.0.0/16"), gateway=network.gateway
    )
    return replace(plan, networks=(network, *([extra] if others else [])))


@st.composite
def desires(draw: st.DrawFn) -> Desired:
    plan = draw(plans())
    names = [pod.spec.name for pod in plan.pods]
    stopped = draw(st.sets(st.sampled_from(names))) if names else set()
    return Desired(plan=plan, stopped=frozenset(stopped), retried=draw(st.booleans()))


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    plan = draw(plans())
    phases = st.sampled_from([Phase.RUNNING, Phase.EXITED, Phase.FAILED, Phase.STOPPED])
    pods = {}
    for pod in plan.pods:
        phase = draw(phases)
        pods[pod.spec.name] = ObservedPod(
            spec=pod.spec,
            phase=phase,
            succeeded=phase is Phase.EXITED and draw(st.booleans()),
            stopping=phase is Phase.STOPPED,
        )
    return Observed(
        networks={network.name: network.subnet for network in plan.networks},
        images=frozenset(draw(st.sets(IMAGES))),
        pods=pods,
        portals=[opened(portal) for portal in plan.portals],
    )


def opened(portal: PlannedPortal) -> OpenedPortal:
    return OpenedPortal(
        portal_id=f"portal-{portal.port}",
        service=portal.service,
        port=portal.port,
        host_port=portal.host_port or 4000,
        url="http://x/",
        backends=(),
        pinned=portal.host_port is not None,
    )


def applied(steps: Sequence[Step], observed: Observed) -> Observed:
    """What there is after some steps, when all goes well."""
    networks, pods = dict(observed.networks), dict(observed.pods)
    portals, images = list(observed.portals), set(observed.images)
    for step in steps:
        match step:
            case DetachNetwork(name=name):
                del networks[name]
            case AttachNetwork(network=network):
                networks[network.name] = network.subnet
            case PrepareImage(image=image):
                images.add(image)
            case ClosePortal(portal_id=portal_id):
                portals = [portal for portal in portals if portal.portal_id != portal_id]
            case OpenPortal(portal=portal):
                portals.append(opened(portal))
            case Remove(name=name):
                del pods[name]
            case Stop(pod=pod):
                pods[pod.spec.name] = replace(
                    pods[pod.spec.name], phase=Phase.STOPPED, stopping=True
                )
            case Boot(pod=pod) | Replace(pod=pod) | Restart(pod=pod):
                assert pod.spec.image in images, "an image is prepared before it is needed"
                pods[pod.spec.name] = ObservedPod(spec=pod.spec, phase=Phase.RUNNING)
    return Observed(networks=networks, images=frozenset(images), pods=pods, portals=tuple(portals))


@given(desired=desires(), observed=observations())
def test_after_the_steps_there_is_nothing_left_to_do(desired: Desired, observed: Observed) -> None:
    after = applied(reconcile(desired, observed), observed)
    assert reconcile(desired, after) == []
    assert after.networks == {n.name: n.subnet for n in desired.plan.networks}
    for pod in desired.plan.pods:
        if pod.spec.name not in desired.stopped:
            assert after.pods[pod.spec.name].spec == pod.spec


@given(desired=desires(), observed=observations())
def test_a_pod_that_is_as_declared_is_never_touched(desired: Desired, observed: Observed) -> None:
    steps = [step_view(step) for step in reconcile(desired, observed)]
    touched = {view.target for view in steps}
    moved = {n.name: n.subnet for n in desired.plan.networks}.get("front")
    for pod in desired.plan.pods:
        there = observed.pods.get(pod.spec.name)
        same = there is not None and there.spec == pod.spec and there.phase is Phase.RUNNING
        stays = observed.networks["front"] == moved
        if same and stays and pod.spec.name not in desired.stopped:
            assert pod.spec.name not in touched


@given(desired=desires(), observed=observations())
def test_the_same_question_has_the_same_answer(desired: Desired, observed: Observed) -> None:
    assert reconcile(desired, observed) == reconcile(desired, observed)


@given(desired=desires(), observed=observations(), names=st.lists(st.text(), unique=True))
def test_settings_that_change_are_steps_of_their_own(
    desired: Desired, observed: Observed, names: list[str]
) -> None:
    steps = reconcile(replace(desired, settings=tuple(names)), observed)
    applied = [step for step in steps if isinstance(step, ApplySetting)]
    assert [step.name for step in applied] == names
    assert [step for step in steps if step not in applied] == reconcile(desired, observed)


def test_steps_say_what_differs() -> None:
    before = make_plan(planned_pod("a-1"), planned_pod("a-2"), planned_pod("b-1"))
    observed = Observed(
        networks={"front": before.networks[0].subnet},
        images=frozenset({"python"}),
        pods={
            pod.spec.name: ObservedPod(spec=pod.spec, phase=Phase.RUNNING) for pod in before.pods
        },
    )
    after = make_plan(planned_pod("a-1", image="ruby", command=("x",)), planned_pod("c-1"))
    steps = [str(step_view(step)) for step in reconcile(Desired(plan=after), observed)]
    assert steps == [
        "prepare image ruby: for 1 pod",
        "remove a-2: fewer replicas",
        'remove b-1: no service "b" any more',
        "replace a-1: image and command change",
        "boot c-1: not there yet",
    ]
