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
        if not argument.startswith("-"):
            script = str(PurePosixPath(working_dir) / argument)
            return (*argv[:index], script, *argv[index + 1 :])
        taken = _arguments_taken(argument, rule)
        if taken == 0:
            return argv
        index += taken
    return argv


def _arguments_taken(option: str, rule: ScriptRule) -> int:
    """Say how many arguments an option is, itself included; 0 if no script can follow.

    One-letter options may stand together, `-Bm` for `-B -m`, and a value may follow its letter.
    """
    if option.startswith("--"):
        return 2 if option in rule.valued_options else 1
    if option == "-":
        return 0
    for position, letter in enumerate(option[1:], 2):
        if f"-{letter}" in rule.instead_of_script:
            return 0
        if f"-{letter}" in rule.valued_options:
            return 2 if position == len(option) else 1
    return 1
