"""The node process: `python -m pod_node --socket PATH --state FOLDER`.

Owns the process's arguments and its first moments. Says `ready` on standard output once it answers,
with its TCP port where it has one, and what goes wrong on standard error. Ends on SIGTERM and
SIGINT, and outlives whoever started it; with `--until-eof`, it ends when standard input does, which
can bring it a lease, too.

With `--on-call` it loads all that it needs first, and then reads the other arguments from standard
input, as one line of JSON; it ends when there is none.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vnet.loading import loading
from vnet.polling import choose_polling

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    """Run the node until it is told to end."""
    arguments = _parse_arguments(sys.argv[1:])
    choose_polling(os.environ)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # it tells of every stream that ends
    with loading():
        from pod_node.errors import PodNodeError
        from pod_node.running import load_engine, run
    try:
        compiler = load_engine()
        if arguments.on_call:
            arguments = _parse_arguments(_await_call())
        if arguments.log is not None:
            _write_errors_to(arguments.log)
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
        _allow_many_files()
        run(arguments, compiler)
    except PodNodeError as error:
        sys.exit(f"error: {error}")


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pod_node", description=__doc__)
    on_call = "--on-call" in arguments
    parser.add_argument("--socket", type=Path, required=not on_call, help="unix socket to serve on")
    parser.add_argument(
        "--state", type=Path, required=not on_call, help="folder for logs and pods' roots"
    )
    parser.add_argument("--on-call", action="store_true", help="read these from standard input")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="what goes wrong, instead of standard error"
    )
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    parser.add_argument(
        "--listen", metavar="HOST", help="also serve on a free TCP port of this address"
    )
    parser.add_argument(
        "--credentials", type=Path, metavar="FOLDER", help="what proves who the node is, for TCP"
    )
    return parser.parse_args(arguments)


def _await_call() -> list[str]:
    """Wait until somebody says which node this is; end when nobody does."""
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit(0)
    arguments: list[str] = json.loads(line)
    return arguments


def _write_errors_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _allow_many_files() -> None:
    """Take all the descriptors that the system grants: pods with mounts open files of the host."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
