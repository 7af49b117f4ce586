"""What a process with pods can be asked for, and where its pods are."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from tests.bench.cases import Case, Side
from vnet.configuration import NetworkConfiguration

NETWORK = "bench"
SUBNET = IPv4Network("10.77.0.0/16")
PORT = 7000
PYTHON = "python"
"""The image of Python programs, unless a measure asks for another."""
FIRST_ADDRESS = SUBNET.network_address + 2
"""Pods get addresses in the order in which they are booted."""


@dataclass(frozen=True, slots=True)
class Program:
    """What one pod runs: the name of a file in `programs/`, or `python`, and arguments."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunCase:
    """Run a case to its end; answered with its reports."""

    case: Case
    captured_link: str | None = None
    """What crosses it is captured meanwhile, and thrown away."""


@dataclass(frozen=True, slots=True)
class RunProgram:
    """Run one pod to its end; answered with its reports."""

    program: Program


@dataclass(frozen=True, slots=True)
class Boot:
    """Boot pods and leave them; answered, once each has printed a line, with addresses."""

    programs: tuple[Program, ...]


@dataclass(frozen=True, slots=True)
class BootAndEnd:
    """Boot one pod; answered, when it has ended, with the seconds to its first line."""

    program: Program


@dataclass(frozen=True, slots=True)
class CountPythonCalls:
    """Run a case of more than two seconds; answered with the Python calls in the middle of it."""

    case: Case


@dataclass(frozen=True, slots=True)
class BootAndKill:
    """Boot one pod, kill it after its first line; answered with the seconds that its end took."""

    program: Program


@dataclass(frozen=True, slots=True)
class FabricBytes:
    """Answered with the bytes of the fabric in use."""


@dataclass(frozen=True, slots=True)
class ConfigureNetwork:
    """Have a network that is like this."""

    configuration: NetworkConfiguration


@dataclass(frozen=True, slots=True)
class PacerUsage:
    """Answered with the CPU seconds of the pacer's thread and the packets on all links so far."""


@dataclass(frozen=True, slots=True)
class RunScene:
    """Run servers and their clients on a network that is like this; answered with all reports.

    The port to listen on is appended to a server's command; a client's may name its server's
    `{address}` and `{port}`. Whoever is to report ends by itself, the others are killed then.
    """

    configuration: NetworkConfiguration
    servers: tuple[Program, ...]
    clients: tuple[Program, ...]
    reporters: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class CaptureScene:
    """Run a scene; answered with the packets that its pods sent and received, at their times."""

    scene: RunScene
