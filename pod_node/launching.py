"""From a pod, or an order to run a program in one, to what its runtime is told. Pure."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

from pod_node.errors import ExecError
from pod_node.executing import DEFAULT_TERMINAL, ProgramCall

if TYPE_CHECKING:
    from pod_node.executing import ExecOrder
    from pod_node.images import CompiledImage
    from pod_node.spec import PodSpec


def program_call(order: ExecOrder, spec: PodSpec, image: CompiledImage) -> ProgramCall:
    """Say what to run.

    Raises:
        ExecError: no program is named, and the image has no shell.
    """
    arguments = order.command
    if not arguments or (order.window is not None and _is_interpreter(arguments, image)):
        arguments = image.manifest.shell or arguments
    if not arguments:
        raise ExecError(spec.name, "", "its image has no shell; name a program of the image")
    extra = dict(order.environment)
    if order.window is not None:
        extra.setdefault("TERM", DEFAULT_TERMINAL)
        extra |= {"LINES": str(order.window.rows), "COLUMNS": str(order.window.columns)}
    return ProgramCall(
        arguments=arguments,
        environment=tuple((dict(spec.environment) | extra).items()),
        working_dir=order.working_dir or None,
    )


def _is_interpreter(command: tuple[str, ...], image: CompiledImage) -> bool:
    """Whether it is the image's interpreter alone, which at a terminal is what its shell is for."""
    manifest = image.manifest
    return command == manifest.entry or (len(command) == 1 and command[0] in manifest.programs)


def boot_environment(spec: PodSpec, image: CompiledImage) -> tuple[tuple[str, str], ...]:
    """Give the environment of a pod's main process."""
    environment = image.environment(spec.environment)
    if spec.tty and "TERM" not in dict(environment):
        return (*environment, ("TERM", DEFAULT_TERMINAL))
    return environment


def refusal(pod: str, program: str, error: OSError) -> ExecError:
    """Say why a program could not be started."""
    match error.errno:
        case errno.ENOENT:
            reason = "the pod's image has no such program"
        case errno.EAGAIN:
            reason = (
                "the pod has as many processes as it may; raise deploy.resources.limits.pids, or "
                "end some"
            )
        case errno.ENOMEM:
            reason = (
                "the pod's processes have all the memory that they may have together; raise "
                "deploy.resources.limits.memory, or end some"
            )
        case errno.ESRCH:
            reason = "the pod is ending"
        case _:
            reason = os.strerror(error.errno or errno.EIO).lower()
    return ExecError(pod, program, reason)


def signal_number(name: str) -> int:
    """Give the number of a signal by its name, with or without SIG, or by its number.

    Raises:
        ValueError: there is no such signal, or pods do not have it.
    """
    text = name.strip().upper()
    if text.isascii() and text.isdigit():
        number = int(text)
    else:
        known = signal.Signals.__members__
        wanted = text if text.startswith("SIG") else f"SIG{text}"
        if wanted not in known or wanted in ("SIGRTMIN", "SIGRTMAX"):
            raise ValueError(f"there is no signal {name!r}; for example TERM, INT, HUP, KILL, USR1")
        number = int(known[wanted])
    if not 1 <= number <= _LAST or number in _STOPPING:
        raise ValueError(f"pods do not have the signal {name!r}; for example TERM, INT, KILL")
    return number


_LAST = 31
_STOPPING = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
