"""The small values of a topology that are written as one word or one line.

Owns their meaning and their two directions: `parse_*` reads what a person wrote and raises
ValueError with the remedy, `str` writes it back. Which key holds which value is `schema.py`'s
business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from orchestrator.topology.problems import quoted, suggestion
from vnet.configuration import PortRange, Protocol

_HTTP_TARGET = re.compile(r"(https?)://([^/:?#]*)(?::([0-9]+))?(/[\x21-\x22\x24-\x7e]*)?")
_TCP_TARGET = re.compile(r"([^:]*:)?([0-9]+)")
_OWN_HOSTS = ("", "localhost", "127.0.0.1")
_HTTP_PORT = 80
_PORTS = re.compile(r"([0-9]+)(?:-([0-9]+))?(?:/([a-z]+))?")
_RESTART = re.compile(r"on-failure:([0-9]{1,9})")


class Condition(Enum):
    """What a service waits for in one that it depends on."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class LinkDirection(Enum):
    """Which way of a link is meant; forward is from the first endpoint to the second."""

    BOTH = "both"
    FORWARD = "forward"
    BACKWARD = "backward"


class RestartMode(Enum):
    """When a pod that ended is started again."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When, and how often, a pod that ended is started again."""

    mode: RestartMode = RestartMode.NO
    max_retries: int | None = None
    """Of `on-failure` only; None is without end."""

    def __str__(self) -> str:
        return (
            self.mode.value if self.max_retries is None else f"{self.mode.value}:{self.max_retries}"
        )


class UpdateOrder(Enum):
    """Whether a pod ends before or after the one of the new version is there."""

    STOP_FIRST = "stop-first"
    START_FIRST = "start-first"


class FailureAction(Enum):
    """What happens when a pod of the new version fails."""

    PAUSE = "pause"
    CONTINUE = "continue"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePolicy:
    """How a service's pods are replaced; the words and defaults are Compose's."""

    parallelism: int = 1
    """Pods that are replaced at once; 0 is all."""
    delay_s: float = 0.0
    """From the end of one batch to the begin of the next."""
    failure_action: FailureAction = FailureAction.PAUSE
    monitor_s: float = 0.0
    """How long a replaced pod is watched for a failure once it is ready."""
    order: UpdateOrder = UpdateOrder.STOP_FIRST


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Where an HTTP probe asks inside its pod."""

    port: int
    path: str = "/"

    def __str__(self) -> str:
        return f"http://:{self.port}{self.path}"


def parse_restart(text: str) -> RestartPolicy:
    """Read `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:N`."""
    if retries := _RESTART.fullmatch(text):
        return RestartPolicy(RestartMode.ON_FAILURE, int(retries[1]))
    try:
        return RestartPolicy(RestartMode(text))
    except ValueError:
        if text == "false":
            raise ValueError('expected a restart policy, found "false"; write no') from None
        words = [*(mode.value for mode in RestartMode), "on-failure:N"]
        raise ValueError(
            f"unknown restart policy {quoted(text)}; {suggestion(text, words, what='policies')}"
        ) from None


def parse_port(text: str) -> int:
    """Read a port number."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"expected a port number, found {quoted(text)}")
    if len(text) > 5 or not 1 <= int(text) <= 65_535:
        raise ValueError(f"port {quoted(text)} is not between 1 and 65535")
    return int(text)


def parse_port_range(text: str) -> PortRange:
    """Read `8000`, `8100-8200` or `53/udp`."""
    match = _PORTS.fullmatch(text)
    if match is None:
        raise ValueError(
            f'expected a port such as 8000, "8100-8200" or "53/udp", found {quoted(text)}'
        )
    first, last = parse_port(match[1]), parse_port(match[2] or match[1])
    if first > last:
        raise ValueError(f'the range {quoted(text)} is empty; write "{last}-{first}"')
    words = [protocol.value for protocol in Protocol]
    if match[3] and match[3] not in words:
        hint = suggestion(match[3], words, what="protocols")
        raise ValueError(f"unknown protocol {quoted(match[3])}; {hint}")
    return PortRange(first=first, last=last, protocol=Protocol(match[3] or "tcp"))


def format_port_range(ports: PortRange) -> str:
    """Write a range of ports so that `parse_port_range` reads the same value back."""
    numbers = f"{ports.first}" if ports.first == ports.last else f"{ports.first}-{ports.last}"
    return numbers if ports.protocol is Protocol.TCP else f"{numbers}/{ports.protocol.value}"


def parse_http_target(text: str) -> HttpTarget:
    """Read the address of an HTTP probe, such as `http://:8080/health`."""
    match = _HTTP_TARGET.fullmatch(text)
    if match is None:
        raise ValueError(f'expected an address such as "http://:8080/health", found {quoted(text)}')
    scheme, host, port, path = match.groups()
    if scheme == "https":
        raise ValueError("probes over https are not yet supported; use http or tcp")
    _check_host(host)
    return HttpTarget(parse_port(port) if port else _HTTP_PORT, path or "/")


def parse_tcp_target(text: str) -> int:
    """Read the port of a TCP probe, such as `:9000`."""
    match = _TCP_TARGET.fullmatch(text)
    if match is None:
        raise ValueError(f'expected a port such as ":9000", found {quoted(text)}')
    _check_host((match[1] or "")[:-1])
    return parse_port(match[2])


def _check_host(host: str) -> None:
    if host not in _OWN_HOSTS:
        raise ValueError(f"a probe asks its own pod: remove the host {quoted(host)}, keep the port")
