"""What can go wrong, each with a message fit to be shown to a person."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class PodnetError(Exception):
    """Something did not work; the message says what, where, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class InvalidTopologyError(PodnetError):
    """The topology has mistakes; the message lists all of them with their places."""


class StartError(PodnetError):
    """The deployment could not be started; the message says why."""


class NotReadyError(PodnetError):
    """Pods are not ready, and will not be or took too long; the message says which and why."""


class RefusedError(PodnetError):
    """The deployment did not do what it was asked: a name or a value that makes no sense there."""


class DeploymentEndedError(PodnetError):
    """The deployment does not answer any more."""


class ExecError(PodnetError):
    """A program that was run in a pod failed."""

    def __init__(self, command: tuple[str, ...], status: int, errors: str) -> None:
        PodnetError.__init__(self, "")
        self.args = (command, status, errors)
        self.command, self.status, self.errors = command, status, errors

    def __str__(self) -> str:
        last = self.errors.strip().splitlines()[-1:] or ["it wrote no error"]
        return f"{shlex.join(self.command)} ended with status {self.status}: {last[0]}"


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the orchestrator's client into the ones above."""
    from orchestrator.codec import DeploymentLostError
    from orchestrator.errors import OrchestratorError

    try:
        yield
    except DeploymentLostError as error:
        raise DeploymentEndedError(str(error)) from error
    except OrchestratorError as error:
        raise RefusedError(str(error)) from error
