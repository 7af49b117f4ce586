"""Plans that tests deploy, built by hand."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from orchestrator.desired.declaration import PortalMemory
from orchestrator.desired.plan import (
    Condition,
    Dependency,
    Plan,
    PlannedNetwork,
    PlannedPod,
    PlannedPortal,
    PublishedName,
)
from orchestrator.desired.reconcile import Desired
from orchestrator.launch.order import Order
from orchestrator.topology.values import RestartPolicy, UpdatePolicy
from tests.support.pods import FRONT, LOOPBACK, make_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod_node.spec import HealthCheck


def planned_pod(
    name: str,
    *,
    needs: dict[str, Condition] | None = None,
    restart: RestartPolicy | None = None,
    check: HealthCheck | None = None,
    image: str = "python",
    command: tuple[str, ...] = ("python", "/app/main.py"),
) -> PlannedPod:
    spec = make_spec(name, check=check, image=image, command=command)
    return PlannedPod(
        spec=spec,
        replica=int(name.rpartition("-")[2]),
        names=tuple(
            PublishedName(name=known, network="front", address=LOOPBACK)
            for known in (spec.service, name)
        ),
        depends_on=tuple(
            Dependency(service=service, condition=condition)
            for service, condition in (needs or {}).items()
        ),
        restart=restart or RestartPolicy(),
    )


def make_plan(*pods: PlannedPod, portals: Sequence[PlannedPortal] = ()) -> Plan:
    network = PlannedNetwork(name="front", subnet=FRONT, gateway=IPv4Address("127.0.0.254"))
    services = {pod.spec.service for pod in pods}
    return Plan(
        name="test",
        networks=(network,),
        levels=(tuple(services),),
        pods=pods,
        portals=tuple(portals),
        volumes=(),
        updates=dict.fromkeys(services, UpdatePolicy()),
        rollbacks=dict.fromkeys(services, UpdatePolicy()),
    )


def order_for(plan: Plan) -> Order:
    return Order(
        desired=Desired(plan=plan), revision=1, policies=plan.updates, portals=PortalMemory()
    )
