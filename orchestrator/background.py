"""The background orchestrator of one deployment: `python -m orchestrator.background NAME`.

Owns the process: its arguments, its lock, its signals and its end. `podnet up -d` starts it; it
says `ready` on standard output once its control socket answers, and everything else to its log. It
takes up what was declared when an orchestrator was killed, and waits for a topology otherwise.
SIGTERM and SIGINT take the deployment down, and so does, with `--until-eof`, the end of standard
input, which is how it notices that its parent is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.access import listen_address
from orchestrator.backends.embedded import EmbeddedBackend
from orchestrator.declaration import Wanted
from orchestrator.errors import OrchestratorError
from orchestrator.orchestration.orchestrator import Orchestrator
from orchestrator.service import serve_control
from orchestrator.state import DeploymentFolder, state_root
from orchestrator.store import Store
from pod_node.errors import PodNodeError
from pod_node.images import absolute_reference
from vnet.errors import VnetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.access import ListenAddress
    from orchestrator.phases import PodView
    from pod_node.progress import Progress
    from pod_node.records import LogLines
    from pod_node.status import OpenPortal

IDLE_S = 30.0
"""How long to wait for a topology; whoever started us sends one at once."""
STOPPED_BY_SIGNAL_S = 2.0
"""How long all pods together get to end by themselves after a signal."""
_log = logging.getLogger("podnet")


class LogScreen:
    """Shows what a person may want to look up later."""

    def show_image(self, step: Progress) -> None:
        """Show nothing: the one who asked for it is told."""

    def show_pod(self, view: PodView) -> None:
        """Note how a pod is."""
        _log.info("%s: %s %s", view.spec.name, view.state, view.reason)

    def drop_pod(self, pod: str) -> None:
        """Note that a pod is gone."""
        _log.info("%s: removed", pod)

    def show_started(self, views: Sequence[PodView], portals: Sequence[OpenPortal]) -> None:
        """Note that the start is over."""
        _log.info("%d pods have started, %d portals are open", len(views), len(portals))

    def show_lines(self, lines: LogLines, lost: int) -> None:
        """Show nothing: the node keeps them."""

    def show_notice(self, text: str) -> None:
        """Note something."""
        _log.info("%s", text)


def main() -> None:
    """Run the orchestrator until its deployment ends."""
    arguments = _parse_arguments()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    _log.setLevel(logging.INFO)
    folder = DeploymentFolder(state_root(os.environ), arguments.name)
    try:
        listen = listen_address(
            arguments.listen,
            arguments.tls_cert,
            arguments.tls_key,
            arguments.tls_client_ca,
            arguments.token_file,
        )
        with folder.hold(), Store.open(folder.database) as store:
            asyncio.run(_run(folder, store, listen, until_eof=arguments.until_eof))
    except (OrchestratorError, PodNodeError, VnetError) as error:
        sys.exit(f"error: {error}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.background", description=__doc__)
    parser.add_argument("name", help="the deployment")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    parser.add_argument("--listen", help="HOST:PORT for requests from elsewhere")
    for option in ("--tls-cert", "--tls-key", "--tls-client-ca", "--token-file"):
        parser.add_argument(option, type=Path, help="as of podnet up")
    return parser.parse_args()


async def _run(
    folder: DeploymentFolder, store: Store, listen: ListenAddress | None, *, until_eof: bool
) -> None:
    loop = asyncio.get_running_loop()
    backend = EmbeddedBackend(folder)
    orchestrator = Orchestrator(
        folder, store, backend, LogScreen(), time.time, absolute_reference, foreground=False
    )

    def stop() -> None:
        orchestrator.end_soon(STOPPED_BY_SIGNAL_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with (
        asyncio.TaskGroup() as group,
        serve_control(orchestrator, folder.control_socket, listen),
    ):
        helper = group.create_task(_begin(orchestrator), name="begin")
        if until_eof:
            _watch_input(lambda: loop.call_soon_threadsafe(stop))
        _announce()
        try:
            await orchestrator.run()
        finally:
            helper.cancel()


async def _begin(orchestrator: Orchestrator) -> None:
    """Take up what was declared, or end when nobody declares anything."""
    if orchestrator.declaration.wanted is Wanted.UP:
        try:
            await orchestrator.restore()
        except (OrchestratorError, VnetError) as error:
            _log.error("what was declared cannot be taken up: %s", error)
        return
    await asyncio.sleep(IDLE_S)
    if orchestrator.declaration.wanted is Wanted.DOWN:
        _log.info("nobody declared anything")
        orchestrator.end_soon()


def _announce() -> None:
    """Say that we are ready; whatever else is printed goes where errors go."""
    with contextlib.suppress(BrokenPipeError):  # whoever waited for it is gone
        os.write(1, b"ready\n")
    os.dup2(2, 1)


def _watch_input(on_end: Callable[[], object]) -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        on_end()

    threading.Thread(target=wait, name="input", daemon=True).start()


if __name__ == "__main__":
    main()
