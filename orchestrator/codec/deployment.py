"""A running deployment and what happens to it, as messages of orchestrator.v1."""

from __future__ import annotations

from orchestrator.codec.steps import (
    rollout_from_message,
    rollout_to_message,
)
from orchestrator.codec.times import US, duration_from_us, duration_to_us
from orchestrator.views.deployment import (
    DeploymentView,
    FaultView,
    LinkView,
    ServiceView,
)
from orchestrator.views.phases import Phase, PodView
from pod_node.codec import (
    exit_from_message,
    exit_to_message,
    pod_spec_from_message,
    pod_spec_to_message,
    portal_from_message,
    portal_to_message,
)
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.vnet.v1 import links_pb2
from vnet.codec import (
    configuration_from_message,
    configuration_to_message,
    fields,
)
from vnet.codec.configuration import (
    FAULT_KINDS,
    parameters_from_message,
    parameters_to_message,
)

_PHASES = {
    Phase.WAITING: pb.PHASE_WAITING,
    Phase.PULLING: pb.PHASE_PULLING,
    Phase.COMPILING: pb.PHASE_COMPILING,
    Phase.STARTING: pb.PHASE_STARTING,
    Phase.RUNNING: pb.PHASE_RUNNING,
    Phase.HEALTHY: pb.PHASE_HEALTHY,
    Phase.UNHEALTHY: pb.PHASE_UNHEALTHY,
    Phase.EXITED: pb.PHASE_EXITED,
    Phase.RESTARTING: pb.PHASE_RESTARTING,
    Phase.CRASH_LOOP: pb.PHASE_CRASH_LOOP,
    Phase.FAILED: pb.PHASE_FAILED,
    Phase.BLOCKED: pb.PHASE_BLOCKED,
    Phase.STOPPING: pb.PHASE_STOPPING,
    Phase.STOPPED: pb.PHASE_STOPPED,
}


def deployment_to_message(view: DeploymentView) -> pb.DescribeResponse:
    """Write a deployment as it stands."""
    return pb.DescribeResponse(
        name=view.name,
        topology_path=view.topology_path,
        topology_text=view.topology_text,
        started_at_unix_us=round(view.started_at_s * US),
        process_id=view.process_id,
        pods=[pod_to_message(pod) for pod in view.pods],
        portals=[portal_to_message(portal) for portal in view.portals],
        configuration=configuration_to_message(view.configuration),
        faults=[fault_to_message(fault) for fault in view.faults],
        services=[
            pb.DeployedService(
                name=service.name, desired_pods=service.desired_pods, ports=service.ports
            )
            for service in view.services
        ],
        revision=view.revision,
        rollouts=[rollout_to_message(rollout) for rollout in view.rollouts],
        node_process_id=view.node_process_id,
        node_loss=view.node_loss,
    )


def deployment_from_message(message: pb.DescribeResponse) -> DeploymentView:
    """Read a deployment as it stands."""
    return DeploymentView(
        name=message.name,
        topology_path=message.topology_path,
        topology_text=message.topology_text,
        started_at_s=message.started_at_unix_us / US,
        process_id=message.process_id,
        pods=tuple(pod_from_message(pod) for pod in message.pods),
        portals=tuple(portal_from_message(portal) for portal in message.portals),
        configuration=configuration_from_message(message.configuration),
        faults=tuple(fault_from_message(fault) for fault in message.faults),
        services=tuple(
            ServiceView(
                name=service.name,
                desired_pods=service.desired_pods,
                ports=tuple(service.ports),
            )
            for service in message.services
        ),
        revision=message.revision,
        rollouts=tuple(rollout_from_message(rollout) for rollout in message.rollouts),
        node_process_id=message.node_process_id,
        node_loss=message.node_loss,
    )


def pod_to_message(view: PodView) -> pb.DeployedPod:
    """Write a pod as a table shows it."""
    return pb.DeployedPod(
        spec=pod_spec_to_message(view.spec),
        phase=_PHASES[view.phase],
        reason=view.reason,
        exit=None if view.exit is None else exit_to_message(view.exit),
        boot_duration_us=None if view.boot_s is None else round(view.boot_s * US),
        ready_duration_us=None if view.ready_s is None else round(view.ready_s * US),
        restarts=view.restarts,
        paused=view.paused,
        booted_at_unix_us=None if view.booted_at_s is None else round(view.booted_at_s * US),
        exited_at_unix_us=None if view.exited_at_s is None else round(view.exited_at_s * US),
        machine=view.machine,
        outdated=view.outdated,
        full_disk=view.full_disk,
    )


def pod_from_message(message: pb.DeployedPod) -> PodView:
    """Read a pod as a table shows it."""
    begun, ended = message.HasField("booted_at_unix_us"), message.HasField("exited_at_unix_us")
    booted, ready = message.HasField("boot_duration_us"), message.HasField("ready_duration_us")
    return PodView(
        spec=pod_spec_from_message(message.spec),
        phase=fields.named("phase", _PHASES, message.phase),
        reason=message.reason,
        exit=exit_from_message(message.exit) if message.HasField("exit") else None,
        boot_s=message.boot_duration_us / US if booted else None,
        ready_s=message.ready_duration_us / US if ready else None,
        restarts=message.restarts,
        paused=message.paused,
        booted_at_s=message.booted_at_unix_us / US if begun else None,
        exited_at_s=message.exited_at_unix_us / US if ended else None,
        machine=message.machine,
        outdated=message.outdated,
        full_disk=message.full_disk,
    )


def link_to_message(view: LinkView) -> pb.LinkState:
    """Write a link as it is now."""
    return pb.LinkState(
        ends=pb.LinkEnds(first=view.first, second=view.second, network=view.network),
        link=links_pb2.Link(
            name=view.name,
            forward=parameters_to_message(view.forward),
            backward=parameters_to_message(view.backward),
        ),
        declared=view.declared,
        changed=view.changed,
        remaining_us=duration_to_us(view.remaining_s),
    )


def link_from_message(message: pb.LinkState) -> LinkView:
    """Read a link as it is now."""
    return LinkView(
        name=message.link.name,
        first=message.ends.first,
        second=message.ends.second,
        network=message.ends.network,
        forward=parameters_from_message(message.link.forward),
        backward=parameters_from_message(message.link.backward),
        declared=message.declared,
        changed=message.changed,
        remaining_s=duration_from_us(message.remaining_us),
    )


def fault_to_message(view: FaultView) -> pb.ActiveFault:
    """Write a partition or a hold."""
    return pb.ActiveFault(
        name=view.name,
        kind=FAULT_KINDS[view.kind],
        sides=[pb.PodSet(members=side) for side in view.sides],
        one_way=view.oneway,
        remaining_us=duration_to_us(view.remaining_s),
    )


def fault_from_message(message: pb.ActiveFault) -> FaultView:
    """Read a partition or a hold."""
    return FaultView(
        name=message.name,
        kind=fields.named("kind", FAULT_KINDS, message.kind),
        sides=tuple(tuple(side.members) for side in message.sides),
        oneway=message.one_way,
        remaining_s=duration_from_us(message.remaining_us),
    )
