"""Which pods are not ready, and which never will be, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.launch.reachable import ready_pods
from orchestrator.views.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.views.phases import PodView

_HOPELESS = (Phase.EXITED, Phase.FAILED, Phase.BLOCKED, Phase.CRASH_LOOP)


def not_ready(views: Iterable[PodView]) -> list[str]:
    """Name the pods that are not ready and say why; one that ended well is ready."""
    chosen = list(views)
    ready = ready_pods(chosen)
    return [_line(view) for view in chosen if view.spec.name not in ready and not view.succeeded]


def hopeless(views: Iterable[PodView]) -> list[str]:
    """Name the pods that will not become ready by themselves, or keep ending, and say why."""
    return [_line(view) for view in views if view.phase in _HOPELESS and not view.succeeded]


def _line(view: PodView) -> str:
    return f"{view.spec.name}: {view.state}" + (f": {view.reason}" if view.reason else "")
