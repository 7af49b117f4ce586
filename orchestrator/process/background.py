"""The background orchestrator of one deployment: `python -m orchestrator.process.background NAME`.

Owns the process's arguments and its lock, and starts the node first, so that the node loads what it
needs while `hosting.py` is loaded, which is the rest. What it has to say goes to its log. SIGTERM
and SIGINT take the deployment down, and so does, with `--until-eof`, the end of standard input,
which is how it notices that its parent is gone.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.backends.starting import node_ahead
from orchestrator.backends.wish import RayWish
from orchestrator.errors import OrchestratorError
from orchestrator.serving.access import listen_address
from orchestrator.store.state import DeploymentFolder, state_root
from pod_node.errors import PodNodeError
from vnet.errors import VnetError
from vnet.loading import loading

if TYPE_CHECKING:
    from orchestrator.serving.access import ListenAddress


def main() -> None:
    """Run the orchestrator until its deployment ends."""
    arguments = _parse_arguments()
    folder = DeploymentFolder(state_root(os.environ), arguments.name)
    try:
        listen = listen_address(
            arguments.listen,
            arguments.tls_cert,
            arguments.tls_key,
            arguments.tls_client_ca,
            arguments.token_file,
        )
    except OrchestratorError as error:
        sys.exit(f"error: {error}")
    wish = None if arguments.ray is None else RayWish(address=arguments.ray)
    run_background(folder, listen, wish, until_eof=arguments.until_eof)


def run_background(
    folder: DeploymentFolder,
    listen: ListenAddress | None,
    wish: RayWish | None,
    *,
    until_eof: bool,
) -> None:
    """Run the orchestrator until its deployment ends.

    Raises:
        SystemExit: it failed, with the reason.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    try:
        with folder.hold(), node_ahead(folder, wish) as node:
            with loading():
                from orchestrator.process.hosting import (
                    host,  # takes as long to load as a node to start
                )
            host(folder, node, wish, listen, until_eof=until_eof)
    except (OrchestratorError, PodNodeError, VnetError) as error:
        sys.exit(f"error: {error}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.process.background", description=__doc__
    )
    parser.add_argument("name", help="the deployment")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    parser.add_argument("--ray", metavar="ADDRESS", help="nodes on this Ray cluster")
    parser.add_argument("--listen", help="HOST:PORT for requests from elsewhere")
    for option in ("--tls-cert", "--tls-key", "--tls-client-ca", "--token-file"):
        parser.add_argument(option, type=Path, help="as of podnet up")
    return parser.parse_args()


if __name__ == "__main__":
    main()
