"""What an order to run a program becomes, and what is said when it cannot be."""

from __future__ import annotations

import errno

import pytest

from pod_node.errors import ExecError
from pod_node.executing import ExecOrder, WindowSize
from pod_node.launching import program_call, refusal
from pod_node.spec import PodSpec
from tests.support.lab import python_image

SPEC = PodSpec(name="web-1", service="web", image="python", command=())
WINDOW = WindowSize(rows=24, columns=80)
SHELL = ("python", "-m", "podnet_guest.shell")


@pytest.mark.parametrize(
    ("command", "window", "runs"),
    [
        ((), WINDOW, SHELL),
        ((), None, SHELL),
        (("python",), WINDOW, SHELL),
        (("python3",), WINDOW, SHELL),
        (("python",), None, ("python",)),
        (("python", "x.py"), WINDOW, ("python", "x.py")),
        (("nope",), WINDOW, ("nope",)),
    ],
)
def test_an_interpreter_alone_at_a_terminal_is_the_shell(
    command: tuple[str, ...], window: WindowSize | None, runs: tuple[str, ...]
) -> None:
    order = ExecOrder(pod="web-1", command=command, window=window)
    assert program_call(order, SPEC, python_image()).arguments == runs


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOENT, "no such program"),
        (errno.EAGAIN, "raise deploy.resources.limits.pids"),
        (errno.ENOMEM, "raise deploy.resources.limits.memory"),
        (errno.ESRCH, "is ending"),
        (errno.E2BIG, "argument list too long"),
    ],
)
def test_a_refusal_says_what_to_do(number: int, remedy: str) -> None:
    error = refusal("web-1", "python", OSError(number, ""))
    assert isinstance(error, ExecError)
    assert remedy in str(error)
    assert "web-1" in str(error)
