"""What a guest says of the process that it wants: records in, values out. Pure.

The kernel has checked the records' letters and dealt with descriptors (`pod_node/kernel/spawn.h`);
texts are the guest's and may be anything.
"""

from __future__ import annotations

from pod_node.executing import ProgramCall


class InvalidSpawnError(Exception):
    """A request has a text that no guest can be given."""


def parse_spawn_request(request: bytes) -> ProgramCall:
    """Read the records of a request.

    Raises:
        InvalidSpawnError: there is no program, a text is not UTF-8, or a variable has no name.
    """
    arguments: list[str] = []
    environment: list[tuple[str, str]] = []
    has_environment = False
    working_dir = None
    for record in request.split(b"\0"):
        text = _decode(record[1:])
        match record[:1]:
            case b"a":
                arguments.append(text)
            case b"e":
                has_environment = True
                if text:
                    environment.append(_variable(text))
            case b"d":
                working_dir = text
            case _:
                pass
    if not arguments or not arguments[0]:
        raise InvalidSpawnError("there is no program")
    return ProgramCall(
        arguments=tuple(arguments),
        environment=tuple(environment) if has_environment else None,
        working_dir=working_dir,
    )


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise InvalidSpawnError(f"{text!r} is not UTF-8") from error


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise InvalidSpawnError(f"{text!r} is no variable")
    return name, value
