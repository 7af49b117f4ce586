"""The entry of the `podnet` command: verbs, errors, exit statuses.

Owns the list of verbs and the last word on errors: whatever a person can cause is one message on
standard error and exit status 1, usage errors are 2, an interrupt is 130. A verb's module is
imported only when the verb is used, so that `podnet --help` needs neither gRPC nor pydantic.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.remoting import remote_options
from orchestrator.errors import OrchestratorError
from pod_node.errors import PodNodeError
from vnet.errors import VnetError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = {
    "attach": "Connect to the main process of a pod.",
    "capture": "Show or record packets of a pod or a link.",
    "cp": "Copy files and folders into and out of pods.",
    "down": "End a deployment.",
    "exec": "Run a program in a pod, beside its own.",
    "events": "Report what happens to a deployment.",
    "graph": "Draw a topology, or a deployment.",
    "heal": "End partitions.",
    "hold": "Keep all traffic between groups of pods waiting.",
    "image": "List and fetch images.",
    "inspect": "Show everything about a service, a pod or a link.",
    "kill": "End pods at once, as a crash would.",
    "link": "Show and change links.",
    "logs": "Show what pods wrote.",
    "ls": "List deployments.",
    "metrics": "Give a deployment's metrics to Prometheus.",
    "netstat": "Count sockets, links, interfaces and policy rules.",
    "node": "List the nodes of a deployment, and change what they take.",
    "partition": "Cut all traffic between groups of pods.",
    "pause": "Keep pods from running for a while.",
    "ping": "Send echo requests from one pod to another.",
    "plan": "Show which pod would go to which node.",
    "port": "Say where a port of a service is on this machine.",
    "portal": "List, open and close portals.",
    "ps": "List the pods of running deployments.",
    "release": "Let traffic go that was held.",
    "restart": "End pods and start them again.",
    "resume": "Let paused pods go on.",
    "scale": "Change numbers of replicas.",
    "start": "Start pods that were stopped.",
    "stats": "Show what pods use, live.",
    "stop": "End pods until they are started again.",
    "top": "Show what pods use, live.",
    "shell": "Open the shell of a pod's image.",
    "up": "Boot a topology, or change a running one.",
    "validate": "Check a topology file.",
    "watch": "Put changed files into pods, or restart them.",
}
"""Each with the line that `podnet --help` shows."""
ELSEWHERE = {
    "apply": '"podnet up FILE"',
    "bounce": '"podnet restart POD"',
    "build": '"podnet image build"',
    "config": '"podnet validate FILE", and "podnet graph FILE" for a picture',
    "crash": '"podnet kill POD"',
    "create": '"podnet up FILE"',
    "delete": '"podnet down NAME"',
    "deploy": '"podnet up FILE"',
    "destroy": '"podnet down NAME"',
    "expose": '"podnet portal open SERVICE:PORT"',
    "images": '"podnet image ls"',
    "lint": '"podnet validate FILE"',
    "list": '"podnet ls"',
    "netem": '"podnet link set A B --delay 20ms"',
    "pull": '"podnet image pull"',
    "repair": '"podnet heal"',
    "rm": '"podnet scale SERVICE=N" for fewer pods, "podnet down NAME" for none',
    "run": '"podnet exec SERVICE PROGRAM"',
    "save": '"podnet cp POD:PATH ."',
    "status": '"podnet ps", and "podnet ls" for deployments',
    "tc": '"podnet link set A B --delay 20ms"',
    "unexpose": '"podnet portal close SERVICE:PORT"',
    "unpause": '"podnet resume POD"',
    "version": '"podnet --version"',
    "wait": '"podnet up FILE --wait", and "podnet events" for what comes later',
}
"""Verbs of Compose, containerlab and others, each with what there is for it here."""
INTERRUPTED = 130
DEBUG = "PODNET_DEBUG"
QUIET_GRPC = ("GRPC_VERBOSITY", "NONE")
"""gRPC notes lost connections on standard error; our own errors say what they mean."""


class Verbs(click.Group):
    """Finds verbs by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all verbs."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb's module and take its command."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"orchestrator.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb of a command line, or say what could have been meant."""
        if args and args[0] not in VERBS:
            ctx.fail(_unknown_verb(args[0]))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, VERBS[name]) for name in self.list_commands(ctx)])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="podnet", prog_name="podnet")
@remote_options
def podnet(**options: object) -> None:
    """Run many WebAssembly pods, wired by a virtual network, from one topology file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    os.environ.setdefault(*QUIET_GRPC)
    atexit.register(gc.freeze)  # no look for garbage among all that was loaded: a tenth of `ps`
    try:
        status = podnet.main(args=arguments, prog_name="podnet", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _fail(error.format_message())
    except (OrchestratorError, PodNodeError, VnetError) as error:
        return _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - no traceback reaches a person unasked
        return _internal(error)
    return status if isinstance(status, int) else 0


def _unknown_verb(word: str) -> str:
    import difflib

    if word in ELSEWHERE:
        return f'podnet has no "{word}"; there is {ELSEWHERE[word]}'
    near = difflib.get_close_matches(word, VERBS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(sorted(VERBS))}"
    return f'podnet has no "{word}"; {hint}'


def _fail(message: str) -> int:
    click.echo(f"error: {message}", err=True)
    return 1


def _internal(error: Exception) -> int:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    kind = type(error).__name__
    return _fail(
        f"podnet made a mistake ({kind}: {error}); set {DEBUG}=1 to see where, and report it"
    )


if __name__ == "__main__":
    sys.exit(main())
