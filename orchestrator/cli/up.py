"""`podnet up`: boot a topology and stay with it until Ctrl-C.

Owns the verb's options, its signals and its exit status: 0 when every pod ended well by itself, 1
when something failed, 130 after Ctrl-C and 143 after SIGTERM (128 and the signal's number, as a
shell has it). Ending by signal takes everything down in order; a second signal does so at once.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.backends.backend import Backend
    from orchestrator.cli.printer import Printer
    from orchestrator.cli.screen import Steps, UpScreen
    from orchestrator.control import Source
    from orchestrator.errors import OrchestratorError
    from orchestrator.phases import PodView
    from orchestrator.plan import Plan
    from orchestrator.topology.loader import Reading
    from orchestrator.topology.schema import Topology

FLUSH_S = 0.5
"""How long the end waits for a terminal that does not take what is left to print."""
LAST_WORDS_S = 2.0
"""How long to wait for the end of a node that stopped answering."""
QR_MARGIN = 4
"""Lines of a terminal that a QR code leaves for what belongs to it."""


@click.command("up", short_help="Boot a topology and show its logs until Ctrl-C.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=str))
@click.option(
    "--qr/--no-qr",
    default=None,
    help="Show the first portal's URL as a QR code; by default on a terminal with room for it.",
)
@click.pass_context
def command(context: click.Context, file: str, qr: bool | None) -> None:
    """Boot the topology FILE and show its logs until Ctrl-C takes everything down.

    FILE may be - for standard input. The exit status is 0 when all pods ended well, 1 after an
    error, 130 after Ctrl-C.
    """
    reading = _load(file)
    if reading.topology is None:
        context.exit(1)
    context.exit(_up(reading.topology, _source(file, reading), qr))


def _load(file: str) -> Reading:
    from orchestrator.topology.loader import read_topology
    from orchestrator.topology.render import count, render_problems
    from pod_node.images import absolute_reference

    reading = read_topology(file, os.environ, absolute_reference)
    if reading.problems:
        click.echo(render_problems(reading.problems), err=True)
    if reading.topology is None:
        errors = count(len(reading.errors), "error")
        click.echo(f"error: {reading.file}: {errors}; nothing was started", err=True)
    return reading


def _source(file: str, reading: Reading) -> Source:
    from orchestrator.control import Source
    from orchestrator.topology.loader import STANDARD_INPUT

    path = "" if file == STANDARD_INPUT else str(Path(file).absolute())
    return Source(path=path, text=reading.text)


def _up(topology: Topology, source: Source, qr: bool | None) -> int:
    from orchestrator.backends.embedded import EmbeddedBackend
    from orchestrator.cli.printer import Printer
    from orchestrator.plan import make_plan
    from orchestrator.state import DeploymentFolder, state_root

    folder = DeploymentFolder(state_root(os.environ), topology.name)
    with folder.hold():
        plan = make_plan(topology, state_dir=folder.path)
        folder.make_volumes(volume.folder for volume in plan.volumes)
        session = _Session(EmbeddedBackend(folder), topology, source, folder.control_socket)
        printer = Printer(session.on_broken_output)
        screen = _screen(printer, plan, qr)
        try:
            status = asyncio.run(session.run(plan, screen))
        finally:
            screen.stop()
            flushed = printer.close(FLUSH_S)
    if not flushed:
        os._exit(status)  # the printing thread is stuck and would hold the interpreter
    return status


class _Session:
    """One run of a deployment, from the first signal handler to the exit status."""

    def __init__(
        self, backend: Backend, topology: Topology, source: Source, control_socket: Path
    ) -> None:
        self._backend = backend
        self._topology = topology
        self._source = source
        self._control_socket = control_socket
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[int] | None = None
        self._stopped_by: int | None = None
        self._on_stop: Callable[[], object] = lambda: None

    async def run(self, plan: Plan, screen: UpScreen) -> int:
        """Run a plan until it ends or is stopped; return the exit status."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._on_stop = lambda: screen.show_notice(f"stopping {plan.name}")
        with self._signals(self._loop):
            try:
                views = await self._launch(plan, screen)
            except asyncio.CancelledError:
                if self._stopped_by is None:
                    raise
                return 128 + self._stopped_by
        return _verdict(views, screen)

    def on_broken_output(self) -> None:
        """Stop because nobody reads what is printed; may be called on any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop, signal.SIGPIPE)

    async def _launch(self, plan: Plan, screen: UpScreen) -> list[PodView]:
        from orchestrator.codec import NodeLostError
        from orchestrator.control import Control
        from orchestrator.launch import Launch
        from orchestrator.service import serve_control

        async with self._backend.run() as client:
            control = Control(
                self._topology, plan, self._source, client, time.time, screen.show_notice
            )
            try:
                async with serve_control(control, self._control_socket):
                    return await Launch(plan, client, screen, control, time.time).run()
            except NodeLostError as lost:
                raise await self._death(lost) from lost

    async def _death(self, lost: OrchestratorError) -> OrchestratorError:
        """Find out why the node does not answer; when it lives after all, that is all we know."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                return await self._backend.death()
        except TimeoutError:
            return lost

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Stop on signals, except those that whoever started us wants ignored."""
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handled = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]
        for number in handled:
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        if self._stopped_by is not None:
            self._backend.kill()
            return
        self._stopped_by = number
        self._on_stop()
        if self._task is not None:
            self._task.cancel()


def _verdict(views: list[PodView], screen: UpScreen) -> int:
    failed = [view.spec.name for view in views if not view.succeeded]
    if failed:
        screen.show_notice(f"all pods have ended, not all of them well: {', '.join(failed)}")
        return 1
    screen.show_notice("all pods have ended well")
    return 0


def _screen(printer: Printer, plan: Plan, qr: bool | None) -> UpScreen:
    from orchestrator.cli.screen import LineSteps, UpScreen

    terminal = sys.stdout.isatty()
    size = shutil.get_terminal_size()
    space: tuple[int, int] | None = (size.columns, size.lines - QR_MARGIN) if terminal else None
    if qr is not None:
        space = (sys.maxsize, sys.maxsize) if qr else None
    steps: Steps = LineSteps(printer)
    if terminal and sys.stderr.isatty():
        from orchestrator.cli.bars import BarSteps

        steps = BarSteps()
    names = [pod.spec.name for pod in plan.pods]
    colours = terminal and not os.environ.get("NO_COLOR")
    return UpScreen(printer, steps, names, colours=colours, qr_space=space)
