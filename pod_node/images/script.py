"""Which argument of an interpreter is its script, and where that script is.

WASI starts every program in `/`, and an interpreter looks for its script before any code of ours
could change the folder. So a relative script is made absolute before the guest starts, as if it had
started in the pod's working folder. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRule:
    """How an interpreter's command line names its script."""

    valued_options: tuple[str, ...] = ()
    """Options that take the next argument, for example `-X`."""
    instead_of_script: tuple[str, ...] = ()
    """Options after which there is no script, for example `-c`."""


def resolve_script(argv: tuple[str, ...], working_dir: str, rule: ScriptRule) -> tuple[str, ...]:
    """Return `argv` with its script as an absolute path, if it has one."""
    index = 1
    while index < len(argv):
        argument = argv[index]
        if argument == "-" or argument.startswith(rule.instead_of_script):
            return argv
        if not argument.startswith("-"):
            script = str(PurePosixPath(working_dir) / argument)
            return (*argv[:index], script, *argv[index + 1 :])
        index += 2 if argument in rule.valued_options else 1
    return argv
