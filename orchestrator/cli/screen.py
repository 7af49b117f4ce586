"""What `podnet up` shows: progress, the table of pods, portals, and logs.

Owns when something is shown and on which stream: progress and remarks go to standard error, the
table, the portals and the logs to standard output. On a terminal, progress is a live display; in a
pipe, it is one line for each step.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from typing import TYPE_CHECKING, Protocol

from orchestrator.cli.pictures import (
    COLOURS,
    GREEN,
    RED,
    log_lines,
    on_dark,
    painted,
    pod_rows,
    qr_picture,
    seconds,
    state_text,
    table,
)
from orchestrator.views.phases import Phase
from pod_node.progress import Phase as ImagePhase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.cli.printer import Printer
    from orchestrator.desired.steps import StepView
    from orchestrator.topology.schema import Topology
    from orchestrator.views.phases import PodView
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal

QR_MARGIN = 4
"""Lines of a terminal that a QR code leaves for what belongs to it."""
_PASSING = (
    Phase.WAITING,
    Phase.PULLING,
    Phase.COMPILING,
    Phase.STARTING,
    Phase.STOPPING,
)
_ERRORS = (Phase.FAILED, Phase.BLOCKED)
"""These end the deployment, whose error then lists them all."""


class Steps(Protocol):
    """How the start is followed."""

    def show_image(self, step: Progress) -> None:
        """An image's preparation got on."""

    def show_pods(self, done: int, total: int) -> None:
        """So many pods are where they should be."""

    def stop(self) -> None:
        """The start is over."""


class LineSteps:
    """One line for each step of an image; for pipes and files."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._seen: set[tuple[str, ImagePhase, str]] = set()

    def show_image(self, step: Progress) -> None:
        """Write a line for a new phase or source."""
        key = (step.image, step.phase, step.source)
        if key not in self._seen:
            self._seen.add(key)
            self._printer.err(f"image {step.image}: {image_step(step)}\n")

    def show_pods(self, done: int, total: int) -> None:
        """Write nothing; every pod's own steps are lines already."""

    def stop(self) -> None:
        """Do nothing."""


class UpScreen:
    """The screen of one `podnet up`."""

    def __init__(
        self,
        printer: Printer,
        steps: Steps,
        names: Sequence[str],
        *,
        colours: bool,
        qr_space: tuple[int, int] | None,
    ) -> None:
        """Show things through a printer.

        Args:
            printer: Takes all text.
            steps: Takes the progress of the start.
            names: The pods, for the width of the log's first column.
            colours: Whether escape sequences are welcome.
            qr_space: Columns and lines that a QR code may take; None for no code.
        """
        self._printer = printer
        self._steps = steps
        self._width = max((len(name) for name in names), default=0)
        self._phases = dict.fromkeys(names, Phase.WAITING)
        self._told: set[str] = set()
        self._done: set[str] = set()
        self._colours = colours
        self._colour_of = dict(zip(names, itertools.cycle(COLOURS), strict=False))
        self._next_colour = itertools.cycle(COLOURS)
        self._qr_space = qr_space
        steps.show_pods(0, len(names))

    def show_image(self, step: Progress) -> None:
        """Follow an image's preparation."""
        self._steps.show_image(step)

    def show_pod(self, view: PodView) -> None:
        """Write a line when a pod's phase has changed to one that matters."""
        name = view.spec.name
        if view.outdated and name not in self._told:
            return  # it is what it was before; what takes its place is news
        if self._phases.get(name) is view.phase:
            return
        self._phases[name] = view.phase
        if view.ready or view.phase.final:
            self._done.add(name)
        else:
            self._done.discard(name)
        self._steps.show_pods(len(self._done), len(self._phases))
        if view.phase not in _PASSING + _ERRORS:
            took = f" after {seconds(view.ready_s)}" if view.phase is Phase.HEALTHY else ""
            self._told.add(name)
            self._printer.err(f"{name}: {state_text(view)}{took}\n")

    def drop_pod(self, pod: str) -> None:
        """Write a line when a pod is gone for good."""
        self._phases.pop(pod, None)
        self._done.discard(pod)
        self._printer.err(f"{pod}: removed\n")

    def show_steps(self, steps: Sequence[StepView]) -> None:
        """Write what will be done."""
        for step in steps:
            self._printer.err(f"{step}\n")
        if not steps:
            self._printer.err("nothing to do\n")

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        """Write the table of pods and the portals."""
        self.stop()
        text = "\n" + table(pod_rows(views), colours=self._colours) + "\n"
        for portal in portals:
            url = painted(portal.url, GREEN) if self._colours else portal.url
            text += f"portal to {portal.service}, port {portal.port}: {url}\n"
        if portals:
            text += self._qr(portals[0].url) + "\n"
        self._printer.out(text)

    def show_lines(self, lines: LogLines, lost: int) -> None:
        """Write a pod's output."""
        if lost:
            self._printer.err(
                f"podnet: {lost} lines of logs were left out; the log files have them\n"
            )
        colour = None
        if self._colours:
            colour = RED if lines.stream == "podnet" else self._colour(lines.pod)
        self._printer.out(log_lines(lines.pod, lines.lines, width=self._width, colour=colour))

    def show_notice(self, text: str) -> None:
        """Write a remark."""
        self._printer.err(f"podnet: {text}\n")

    def stop(self) -> None:
        """End the live display, once what was printed before stands above it."""
        self._printer.run(self._steps.stop)

    def _colour(self, pod: str) -> int:
        if pod not in self._colour_of:
            self._colour_of[pod] = next(self._next_colour)
        return self._colour_of[pod]

    def _qr(self, url: str) -> str:
        if self._qr_space is None:
            return ""
        lines = qr_picture(url)
        columns, rows = self._qr_space
        if len(lines) > rows or len(lines[0]) > columns:
            return ""
        return "\n" + "".join(f"{on_dark(line)}\n" for line in lines)


def screen_for(printer: Printer, topology: Topology, *, qr: bool | None) -> UpScreen:
    """Choose how a start is shown.

    Args:
        printer: Takes all text.
        topology: What is started.
        qr: Whether to show a QR code; None does on a terminal with room for it.
    """
    from orchestrator.topology.members import Roster

    terminal = sys.stdout.isatty()
    size = shutil.get_terminal_size()
    space: tuple[int, int] | None = (size.columns, size.lines - QR_MARGIN) if terminal else None
    if qr is not None:
        space = (sys.maxsize, sys.maxsize) if qr else None
    steps: Steps = LineSteps(printer)
    if terminal and sys.stderr.isatty():
        from orchestrator.cli.bars import BarSteps

        steps = BarSteps()
    roster = Roster(topology)
    names = roster.pods(map(roster.find, topology.services))
    colours = terminal and not os.environ.get("NO_COLOR")
    return UpScreen(printer, steps, names, colours=colours, qr_space=space)


def image_step(step: Progress) -> str:
    """Say what is being done for an image."""
    took = f" after {seconds(step.elapsed_s)}" if step.phase is ImagePhase.READY else ""
    return f"{step.doing}{took}"
