"""What each pod uses, from two samples: values for programs, rows for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.cli.figures import rate_text, size_text
from orchestrator.cli.rates import PodRates, moved_bytes, pod_rates
from pod_node.usage import PodUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.cli.rates import Sample
    from orchestrator.views.deployment import DeploymentView

HEADINGS = (
    *("NAME", "STATE", "CPU", "MEMORY", "LIMIT", "NETWORK"),
    *("SOCKETS", "FILES", "PROCS", "RECEIVES", "SENDS", "RESTARTS"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUse:
    """What one pod uses."""

    name: str
    service: str
    status: str
    cpu_cores: float
    cpu_time_s: float
    throttled_s: float
    memory_bytes: int
    memory_limit_bytes: int
    fabric_bytes: int
    fabric_limit_bytes: int
    sockets: int
    sockets_limit: int
    descriptors: int
    descriptors_limit: int
    processes: int
    received_bytes: int
    sent_bytes: int
    received_bytes_s: float | None
    sent_bytes_s: float | None
    restarts: int


def uses(view: DeploymentView, before: Sample, now: Sample) -> list[PodUse]:
    """Say what each pod uses; one that does not run uses nothing."""
    rates = pod_rates(before, now)
    used = {pod.pod: pod for pod in now.usage.pods}
    moved = moved_bytes(now)
    found = []
    for pod in view.pods:
        name = pod.spec.name
        rate, own = rates.get(name, PodRates()), used.get(name, PodUsage(pod=name))
        received, sent = moved.get(name, (0, 0))
        found.append(
            PodUse(
                name=name,
                service=pod.spec.service,
                status=pod.state,
                cpu_cores=rate.cpu,
                cpu_time_s=own.cpu_time_s,
                throttled_s=own.throttled_s,
                memory_bytes=own.memory_bytes,
                memory_limit_bytes=own.memory_limit_bytes,
                fabric_bytes=own.fabric_bytes,
                fabric_limit_bytes=own.fabric_limit_bytes,
                sockets=own.sockets,
                sockets_limit=own.sockets_limit,
                descriptors=own.descriptors,
                descriptors_limit=own.descriptors_limit,
                processes=own.processes,
                received_bytes=received,
                sent_bytes=sent,
                received_bytes_s=rate.received_bytes_s,
                sent_bytes_s=rate.sent_bytes_s,
                restarts=pod.restarts,
            )
        )
    return found


def table_rows(pods: Iterable[PodUse]) -> Iterator[tuple[str, ...]]:
    """Lay out a table."""
    for pod in pods:
        yield (
            pod.name,
            pod.status,
            f"{pod.cpu_cores:.1%}",
            size_text(pod.memory_bytes) if pod.memory_bytes else "-",
            size_text(pod.memory_limit_bytes) if pod.memory_limit_bytes else "-",
            size_text(pod.fabric_bytes),
            str(pod.sockets),
            str(pod.descriptors),
            str(pod.processes),
            rate_text(pod.received_bytes_s),
            rate_text(pod.sent_bytes_s),
            str(pod.restarts),
        )
