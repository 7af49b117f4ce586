"""Everything that is known about a service, a pod or a link, as text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.counters import rule_text, section_text
from orchestrator.cli.figures import size_text
from orchestrator.cli.pictures import seconds, state_text
from orchestrator.events.wording import fault_text, rounded_duration
from orchestrator.events.wording import link_text as link_line
from orchestrator.topology.link_text import summary
from orchestrator.views.moments import moment_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.cli.selection import Selection
    from orchestrator.views.deployment import DeploymentView, LinkView
    from orchestrator.views.phases import PodView
    from pod_node.spec import HealthCheck
    from vnet.statistics import LinkStatistics, NetworkStatistics

_LABEL = 12
"""Columns for the names of facts."""


def link_text(link: LinkView, counted: Sequence[LinkStatistics]) -> str:
    """Write a link with its counters."""
    origin = "in the topology" if link.declared else "made while the deployment runs"
    facts = [
        ("between", f"{link.first} and {link.second}, on network {link.network}"),
        ("declared", origin),
        ("forward", summary(link.forward) or "perfect"),
        ("backward", summary(link.backward) or "perfect"),
    ]
    if link.changed:
        left = link.remaining_s
        facts.append(("changed", "yes" if left is None else f"for {rounded_duration(left)}"))
    text = f"link {link.name}\n" + _facts(facts)
    for one in counted:
        way = "backward" if one.backward else "forward"
        text += _facts([("counted", f"{way}, {_counted(one)}")])
    return text


def member_text(view: DeploymentView, selection: Selection, statistics: NetworkStatistics) -> str:
    """Write pods with the links, faults, policies and sockets that concern them."""
    parts = [f"pod {pod.spec.name}\n" + _facts(_pod_facts(pod)) for pod in selection.pods]
    if selection.links:
        parts.append("".join(f"{link_line(link)}\n" for link in selection.links))
    names = {name for pod in selection.pods for name in (pod.spec.service, pod.spec.name)}
    faults = [
        fault for fault in view.faults if any(names.intersection(side) for side in fault.sides)
    ]
    if faults:
        parts.append("".join(f"{fault_text(fault)}\n" for fault in faults))
    portals = [portal for portal in view.portals if portal.service in names]
    if portals:
        parts.append("".join(f"portal to port {p.port}: {p.url}\n" for p in portals))
    parts.extend(_policies(selection))
    parts.append(section_text("interfaces", statistics, view.configuration))
    parts.append(section_text("flows", statistics, view.configuration))
    return "\n".join(parts)


def _pod_facts(pod: PodView) -> list[tuple[str, str]]:
    spec = pod.spec
    facts = [
        ("service", spec.service),
        ("image", spec.image),
        ("command", " ".join(spec.command) or "the image's own"),
        ("state", state_text(pod)),
        ("boot", seconds(pod.boot_s)),
        ("restarts", str(pod.restarts)),
    ]
    if pod.booted_at_s is not None:
        facts.append(("started", moment_text(pod.booted_at_s)))
    if pod.exited_at_s is not None:
        facts.append(("ended", moment_text(pod.exited_at_s)))
    if pod.machine:
        facts.append(("machine", pod.machine))
    facts += [("address", f"{i.address}/{i.prefix} on {i.network}") for i in spec.interfaces]
    facts += [
        ("mount", f"{mount.source} at {mount.target}{', read-only' if mount.read_only else ''}")
        for mount in spec.mounts
    ]
    facts += [("variable", f"{name}={value}") for name, value in spec.environment]
    limits = spec.limits
    facts.append(("memory", f"at most {size_text(limits.memory_bytes)}"))
    facts.append(("sockets", f"at most {limits.sockets}, with {size_text(limits.fabric_bytes)}"))
    facts.append(("files", f"at most {limits.descriptors}"))
    if limits.cpus is not None:
        facts.append(("processors", f"at most {limits.cpus:g}"))
    if spec.healthcheck is not None:
        facts.append(("healthcheck", _check_text(spec.healthcheck)))
    return facts


def _check_text(check: HealthCheck) -> str:
    path = check.path if check.kind.value == "http" else ""
    every = rounded_duration(check.interval_s)
    return f"{check.kind.value} port {check.port}{path} every {every}, {check.retries} tries"


def _policies(selection: Selection) -> Iterator[str]:
    for policy in selection.policies:
        text = f"{policy.name}: {policy.direction.value} of {', '.join(policy.groups)}\n"
        text += "".join(f"  allows {rule_text(rule)}\n" for rule in policy.rules)
        yield text + f"  otherwise: {policy.denial.value}\n"


def _counted(link: LinkStatistics) -> str:
    return (
        f"{link.packets} packets, {size_text(link.bytes)}, {link.dropped_packets} dropped, "
        f"{link.duplicated_packets} twice, {link.reordered_packets} reordered, "
        f"{link.queued_packets} waiting (at most {link.queued_most_packets})"
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return "".join(f"  {name + ':':<{_LABEL}} {text}\n" for name, text in facts)
