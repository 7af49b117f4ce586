"""What placement reports to a person."""

from __future__ import annotations

from orchestrator.errors import OrchestratorError
from orchestrator.placement.values import Unplaced
from orchestrator.topology.units import format_cpus, format_size

NODES_SHOWN = 8
"""Nodes whose obstacles a message lists."""


class NoRoomError(OrchestratorError):
    """Some pods can be nowhere."""

    def __init__(self, deployment: str, unplaced: tuple[Unplaced, ...]) -> None:
        super().__init__(deployment, unplaced)
        self.deployment, self.unplaced = deployment, unplaced

    def __str__(self) -> str:
        groups: dict[tuple[str, tuple[str, ...]], list[Unplaced]] = {}
        for pod in self.unplaced:
            texts = tuple(f"{obstacle.node}: {obstacle.text}" for obstacle in pod.obstacles)
            groups.setdefault((_asked(pod), texts), []).append(pod)
        count = len(self.unplaced)
        lines = [
            f'deployment "{self.deployment}": {count} pod{"s" * (count > 1)} can be on no node'
        ]
        for (asked, texts), pods in groups.items():
            lines.append(f"  {_names(pods)}{asked}")
            lines.extend(f"    {text}" for text in texts[:NODES_SHOWN])
            if len(texts) > NODES_SHOWN:
                lines.append(f"    and {len(texts) - NODES_SHOWN} more nodes")
            if not texts:
                lines.append("    there is no node")
        lines.append(
            'add nodes, uncordon some, or change "deploy" of these services '
            "(resources, placement, replicas)"
        )
        return "\n".join(lines)


def _names(pods: list[Unplaced]) -> str:
    names = [pod.demand.pod for pod in pods]
    return (
        ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
    )


def _asked(pod: Unplaced) -> str:
    demand = pod.demand
    wishes = []
    if demand.cpus:
        wishes.append(f"{format_cpus(demand.cpus)} cpus")
    if demand.memory_bytes:
        wishes.append(f"{format_size(demand.memory_bytes)} of memory")
    return f", each asks for {' and '.join(wishes)}" if wishes else ""
