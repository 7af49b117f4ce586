"""Compose's short forms, each turned into its long form before the schema looks at it.

Owns the syntax of `"8080:80"`, `"./web:/app:ro"`, `[A=1]` and their kin. A form that cannot be
turned raises with the remedy; anything that is no short form passes through, for the schema to
judge.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from orchestrator.topology.link_values import split_bursts
from orchestrator.topology.problems import quoted
from orchestrator.topology.values import FailureAction, parse_port
from pod_node.launching import signal_number

if TYPE_CHECKING:
    from collections.abc import Iterable

_PORT_RANGE = re.compile(r"[0-9]+-[0-9]+")
_FAULT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_LOOPBACK = ("127.0.0.1", "localhost")
_VOLUME_EXAMPLE = 'write "./folder:/path/in/pod:ro" or "name:/path/in/pod"'


def split_command(value: object) -> object:
    """Turn a command line into its words, by the rules of a POSIX shell."""
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        reason = str(error).lower()
        raise ValueError(f"the command line cannot be split: {reason}; or write a list") from None


def signal_from_name(value: object) -> object:
    """Turn a signal's name or number into its number."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return signal_number(str(value))
    return value


_SHELL_CHARACTERS = frozenset("|&;<>()$`\\\n*?[]#~%!{}")
"""What means something to a shell beyond words and quotes."""


def health_test(value: object) -> object:
    """Turn Compose's `test` into the words of a command; NONE alone is no check.

    Images have no shell, so a command line for one is split into words, if that means the same.
    """
    if isinstance(value, str):
        return _shell_words(value)
    if not isinstance(value, list) or not value or not all(isinstance(w, str) for w in value):
        return value
    first, *rest = value
    match first:
        case "NONE" if not rest:
            return ["NONE"]
        case "CMD" if rest:
            return rest
        case "CMD-SHELL" if len(rest) == 1:
            return _shell_words(rest[0])
    raise ValueError(
        'it begins with "CMD" and the words of a command, "CMD-SHELL" and a command line, or is '
        "[NONE]"
    )


def _shell_words(line: str) -> object:
    odd = next((character for character in line if character in _SHELL_CHARACTERS), None)
    if odd is not None:
        raise ValueError(
            f"images have no shell, which {odd!r} is for; write [CMD, program, argument, ...]"
        )
    words = split_command(line)
    if not words:
        raise ValueError("the command is empty")
    return words


def one_or_many(value: object) -> object:
    """Turn a single entry into a list of one."""
    return [value] if isinstance(value, str | int | dict) else value


def environment_from_list(value: object) -> object:
    """Turn `[A=1, B]` into `{A: "1", B: null}`, and check the names of either form."""
    if isinstance(value, dict):
        return _checked_environment(value)
    if not isinstance(value, list):
        return value
    variables: dict[str, str | None] = {}
    faults: list[tuple[int | str, str]] = []
    for index, item in enumerate(value):
        if not isinstance(item, str):
            faults.append((index, 'expected "NAME=value"'))
            continue
        name, equals, text = item.partition("=")
        if not name:
            faults.append((index, f"{quoted(item)} has no name before the equals sign"))
        elif name in variables:
            faults.append((index, f"variable {quoted(name)} is set twice"))
        variables[name] = text if equals else None
    if faults:
        raise located(faults)
    return variables


def _checked_environment(value: dict[str, object]) -> dict[str, object]:
    faults = [
        (name, "a variable's name is not empty and has no equals sign")
        for name in value
        if not name or "=" in name
    ]
    if faults:
        raise located(faults)
    return value


def not_rollback(action: FailureAction) -> FailureAction:
    """Refuse to roll a rollback back."""
    if action is FailureAction.ROLLBACK:
        raise ValueError('a rollback cannot be rolled back; write "pause" or "continue"')
    return action


def names_to_mapping(value: object) -> object:
    """Turn `[a, b]` into `{a: {}, b: {}}`."""
    if not isinstance(value, list):
        return value
    mapping: dict[str, object] = {}
    faults: list[tuple[int | str, str]] = []
    for index, item in enumerate(value):
        if not isinstance(item, str):
            faults.append((index, "expected a name"))
        elif item in mapping:
            faults.append((index, f"{quoted(item)} is listed twice"))
        else:
            mapping[item] = {}
    if faults:
        raise located(faults)
    return mapping


def env_file_from_path(value: object) -> object:
    """Turn a path into `{path: ...}`."""
    return {"path": value} if isinstance(value, str) else value


def port_from_short(value: object) -> object:
    """Turn `[HOST:]CONTAINER[/tcp]` into `{target, published}`."""
    if not isinstance(value, str | int):
        return value
    ports, slash, protocol = str(value).partition("/")
    if slash:
        tcp_only(protocol)
    *hosts, target = ports.split(":")
    if any(_PORT_RANGE.fullmatch(part) for part in (*hosts, target)):
        raise ValueError("port ranges are not yet supported; list each port")
    if len(hosts) == 2 and hosts[0] in _LOOPBACK:
        del hosts[0]
    if len(hosts) >= 2:
        raise ValueError('portals listen on loopback only; write "HOST_PORT:POD_PORT"')
    entry = {"target": str(parse_port(target))}
    if hosts:
        entry["published"] = str(parse_port(hosts[0]))
    return entry


def volume_from_short(value: object) -> object:
    """Turn `SOURCE:TARGET[:ro]` into `{type, source, target, read_only}`."""
    if not isinstance(value, str):
        return value
    parts = value.split(":")
    if len(parts) == 1:
        raise ValueError(f"volumes without a source are not yet supported; {_VOLUME_EXAMPLE}")
    if len(parts) > 3 or not all(parts):
        raise ValueError(f"{quoted(value)} is not a volume; {_VOLUME_EXAMPLE}")
    source, target, mode = (*parts, "rw")[:3]
    if mode not in ("ro", "rw"):
        raise ValueError(f"volume option {quoted(mode)} is not yet supported; use ro or rw")
    kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    read_only = "true" if mode == "ro" else "false"
    return {"type": kind, "source": source, "target": target, "read_only": read_only}


def pair(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check that a link has two ends."""
    if len(names) != 2:
        raise ValueError("a link has two ends; write for example [web, api]")
    return names


def two_groups(groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Check that there is something to part."""
    if len(groups) < 2 or not all(groups):
        raise ValueError("expected two or more groups of pods; write for example [[web], [api]]")
    return groups


def fault_name(name: str) -> str:
    """Check the name of a partition or a hold."""
    if not _FAULT_NAME.fullmatch(name) or name == "all":
        rule = "use letters, digits, dots, dashes and underscores, and not the word all"
        raise ValueError(f"{quoted(name)} cannot name a partition or a hold: {rule}")
    return name


def gemodel_from_words(value: object) -> object:
    """Turn netem's `P R [1-H [1-K]]` into `{p, r, 1-h, 1-k}`."""
    if not isinstance(value, str | int):
        return value
    return split_bursts(str(value))


def peer_from_name(value: object) -> object:
    """Turn the name of a service into `{service: ...}`."""
    return {"service": value} if isinstance(value, str) else value


def tcp_only(protocol: str) -> str:
    """Check a port's protocol."""
    if protocol != "tcp":
        raise ValueError(f"protocol {quoted(protocol)} is not yet supported; portals speak tcp")
    return protocol


def volume_kind(value: object) -> object:
    """Refuse Compose's other kinds of volumes by name."""
    if value in ("npipe", "cluster", "image"):
        kinds = "bind, volume or tmpfs"
        raise ValueError(f'volumes of type "{value}" are not yet supported; use {kinds}')
    return value


def watch_action(value: object) -> object:
    """Refuse Compose's other actions by name."""
    if value == "rebuild":
        raise ValueError("podnet builds no images, so nothing can be rebuilt; use sync or restart")
    if value == "sync+exec":
        raise ValueError('action "sync+exec" is not yet supported; use sync or sync+restart')
    return value


def tmpfs_from_short(value: object) -> object:
    """Turn `TARGET[:size=64M]` into `{target, size}`."""
    if not isinstance(value, str):
        return value
    target, colon, options = value.partition(":")
    entry = {"target": target}
    for option in options.split(",") if colon else ():
        name, _, text = option.partition("=")
        if name == "size":
            entry["size"] = text
        elif option != "rw":
            raise ValueError(f"tmpfs option {quoted(option)} is not yet supported; use size=64M")
    return entry


def mount_target(path: str) -> str:
    """Refuse to cover paths that the pod's own system needs."""
    if path == "/" or path == "/net" or path.startswith("/net/"):
        raise ValueError(f"{quoted(path)} belongs to the pod itself; mount somewhere else")
    return path


def guest_path(text: str) -> str:
    """Check and normalise an absolute path inside a pod."""
    if not text.startswith("/"):
        raise ValueError(f"{quoted(text)} is not absolute; a path in a pod starts with a slash")
    if ".." in text.split("/"):
        raise ValueError(f'{quoted(text)} contains ".."; write where it leads')
    return posixpath.normpath("/" + text.lstrip("/"))


def located(faults: Iterable[tuple[int | str, str]]) -> ValidationError:
    """An error for a validator to raise, with one message for each place below its own."""
    return ValidationError.from_exception_data(
        "form",
        [
            InitErrorDetails(
                type=PydanticCustomError("form", "{message}", {"message": message}),
                loc=(place,),
                input=None,
            )
            for place, message in faults
        ],
    )
