"""Which ports of this machine are Ray's.

Owns how Ray's processes are told from others: each names the cluster's session in its command line,
or descends from one that does. Workers come and go, and so do their ports; so all ports count that
a worker may get.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.cluster.listening import PROC, ephemeral_ports, listening_ports

CLIENT_PORT, DASHBOARD_PORT, AGENT_PORT = 10_001, 8_265, 52_365
"""Ray's own choice for three that a head or a machine may open at any time."""
DEFAULT_WORKERS = (10_002, 19_999)
"""Ports that `ray start` lets workers have unless it is told otherwise."""
_WORKERS = re.compile(r"--(min|max)_worker_port=([0-9]+)")
_LISTED = re.compile(r"--worker_port_list=([0-9,]+)")

Ports = tuple[tuple[int, int], ...]
"""Ranges, each with its first and its last."""


def ray_ports(session: str) -> Ports:
    """The ports of this machine on which processes of a cluster listen, or may do so soon.

    Args:
        session: The cluster's session, as Ray calls it.
    """
    commands, parents = _processes()
    members = {pid for pid, command in commands.items() if session in command}
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in members} - members
        members |= children
        grown = bool(children)
    ranges = {(port, port) for port in listening_ports(members)}
    for pid in members:
        if "raylet" in commands[pid]:
            ranges.update(worker_ports(commands[pid]))
    return tuple(sorted(ranges | set(_single(CLIENT_PORT, DASHBOARD_PORT, AGENT_PORT))))


def unseen_ports(known: tuple[int, ...]) -> Ports:
    """The ports of a machine that nobody can look at: those it tells, and all that Ray takes."""
    usual = _single(*known, CLIENT_PORT, DASHBOARD_PORT, AGENT_PORT)
    return tuple(sorted({*usual, DEFAULT_WORKERS, ephemeral_ports()}))


def worker_ports(command: str) -> Ports:
    """The ports that the workers of a raylet may have, by its command line."""
    listed = _LISTED.search(command)
    if listed is not None:
        return _single(*(int(port) for port in listed[1].split(",") if port))
    bounds = {name: int(number) for name, number in _WORKERS.findall(command)}
    if bounds.get("min", 0) and bounds.get("max", 0):
        return ((bounds["min"], bounds["max"]),)
    if bounds.get("min", 0):
        return ((bounds["min"], 65_535),)
    return (ephemeral_ports(),)


def _single(*ports: int) -> Ports:
    return tuple((port, port) for port in ports if 0 < port <= 65_535)


def _processes() -> tuple[dict[int, str], dict[int, int]]:
    """The command line and the parent of each process that can be looked at."""
    commands: dict[int, str] = {}
    parents: dict[int, int] = {}
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                _note(folder, commands, parents)
            except OSError:  # it has ended
                continue
    return commands, parents


def _note(folder: Path, commands: dict[int, str], parents: dict[int, int]) -> None:
    words = (folder / "cmdline").read_bytes().split(b"\0")
    fields = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    commands[int(folder.name)] = " ".join(word.decode("utf-8", "replace") for word in words)
    parents[int(folder.name)] = int(fields[1])


def port_numbers(node: Mapping[str, object]) -> tuple[int, ...]:
    """The ports that a cluster tells of one of its machines."""
    return tuple(
        value
        for key, value in sorted(node.items())
        if key.endswith("Port") and isinstance(value, int)
    )
