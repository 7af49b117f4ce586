"""Who runs the deployment of a `podnet up`: this process, or the orchestrator that there is.

Owns the order of the first steps: a node process is started first of all, which loads what it needs
while the topology is read; then the deployment's lock is taken, unless another process has it and
takes the topology.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from vnet.loading import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.backends.on_call import NodeOnCall
    from orchestrator.backends.starting import StartingNode
    from orchestrator.backends.wish import RayWish
    from orchestrator.cli.printer import Printer
    from orchestrator.cli.screen import UpScreen
    from orchestrator.cli.up import UpOptions
    from orchestrator.store.state import DeploymentFolder
    from orchestrator.topology.schema import Topology
    from orchestrator.topology.source import TopologySource

TURN_S = 30.0
"""How long to wait for another process that starts or ends the same deployment."""
RETRY_S = 0.05
_NAME = re.compile(rb"^name:[ \t]*([a-z0-9-]+)[ \t]*$", re.MULTILINE)
_NAME_BYTES = 65536
"""How much of a file is looked at for its name."""

Host: TypeAlias = "Callable[[UpRequest, StartingNode | None], int]"
"""Runs a deployment in this process; gives the exit status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpRequest:
    """A topology that was read, and what is to be done with it."""

    folder: DeploymentFolder
    topology: Topology
    source: TopologySource
    options: UpOptions

    @property
    def wish(self) -> RayWish | None:
        """The Ray cluster that its nodes are to be on; the command line wins over the file."""
        from orchestrator.backends.wish import RayWish
        from orchestrator.topology.placement_values import BackendKind

        if self.options.ray is not None:
            return RayWish(address=self.options.ray)
        return RayWish() if self.topology.backend is BackendKind.RAY else None

    def make_screen(self, printer: Printer) -> UpScreen:
        """Choose how its start is shown."""
        from orchestrator.cli.screen import screen_for

        return screen_for(printer, self.topology, qr=self.options.qr)


def read_request(file: str, options: UpOptions) -> UpRequest | None:
    """Read a topology; None when it has mistakes, which are shown."""
    from orchestrator.store.state import DeploymentFolder, state_root
    from orchestrator.topology.loader import read_topology, renamed
    from orchestrator.topology.members import Roster
    from orchestrator.topology.render import count, render_problems
    from pod_node.images import absolute_reference

    reading = read_topology(file, os.environ, absolute_reference)
    if options.name is not None:
        reading = renamed(reading, options.name)
    if reading.problems:
        click.echo(render_problems(reading.problems), err=True)
    if reading.topology is None or reading.source is None:
        errors = count(len(reading.errors), "error")
        click.echo(f"error: {reading.file}: {errors}; nothing was started", err=True)
        return None
    roster = Roster(reading.topology)
    for service in (*options.services, *options.replicas):
        roster.find_service(service)
    return UpRequest(
        folder=DeploymentFolder(state_root(os.environ), reading.topology.name),
        topology=reading.topology,
        source=reading.source,
        options=options,
    )


def boot(file: str, options: UpOptions, host: Host) -> int:
    """Read a topology, and have it made real by who runs it already, or else here.

    Args:
        file: The topology's.
        options: What somebody asked for.
        host: Runs it here, with a node that was started for it.

    Returns:
        The exit status.

    Raises:
        OrchestratorError: it went wrong.
    """
    with _node_on_call(file, options) as on_call:
        with loading():
            request = read_request(file, options)
        if request is None:
            return 1
        if options.watch:
            from orchestrator.cli.watch import watch_beside

            watch_beside(request.folder.control_socket, request.topology)
        return _take_turn(request, on_call, host)


def _take_turn(
    request: UpRequest,
    on_call: NodeOnCall | None,
    host: Host,
) -> int:
    from orchestrator.backends.starting import node_ahead
    from orchestrator.store.state import DeploymentRunningError, answers

    folder = request.folder
    waited = 0.0
    while True:
        if answers(folder.control_socket):
            if on_call is not None:
                on_call.dismiss()
            return _attach(request)
        try:
            with folder.hold(), node_ahead(folder, request.wish, on_call) as node:
                return host(request, node)
        except DeploymentRunningError:
            # Another process starts it or ends it: its socket will answer, or its lock be free.
            if waited >= TURN_S:
                raise
            waited += RETRY_S
            time.sleep(RETRY_S)


def _attach(request: UpRequest) -> int:
    from orchestrator.cli.attached import Attached

    return Attached(request.folder, request.source, request.options, request.make_screen).run()


@contextmanager
def _node_on_call(file: str, options: UpOptions) -> Iterator[NodeOnCall | None]:
    """Start a node process, unless there is one, as far as one can tell so early."""
    if options.ray is not None or _seems_running(file, options.name):
        yield None
        return
    from orchestrator.backends.on_call import node_on_call

    with node_on_call() as node:
        yield node


def _seems_running(file: str, name: str | None) -> bool:
    """Guess from the text of a file, or from the name that it is given, whether it runs."""
    from orchestrator.store.state import DeploymentFolder, answers, state_root

    guess = _name_in(file) if name is None else name
    if not guess or "/" in guess:
        return False
    return answers(DeploymentFolder(state_root(os.environ), guess).control_socket)


def _name_in(file: str) -> str:
    """The name that a file seems to give its deployment; empty when one cannot tell."""
    try:
        with Path(file).open("rb") as text:
            found = _NAME.search(text.read(_NAME_BYTES))
    except OSError:  # `-`, or one that is not there
        return ""
    return "" if found is None else found[1].decode()
