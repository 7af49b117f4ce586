"""The words of a service's `deploy.placement`: which nodes its pods may be on, and which first.

Owns their meaning and their two directions: `parse_*` reads what a person wrote and raises
ValueError with the remedy, `str` writes it back. Which node is chosen is `placement/`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from orchestrator.topology.problems import quoted, suggestion

LABEL_PREFIX = "node.labels."
ATTRIBUTES = ("node.id", "node.hostname", "node.platform.os", "node.platform.arch")
"""What else a constraint may ask of a node."""

_CONSTRAINT = re.compile(r"\s*([^\s=!]+)\s*(==|!=)\s*(\S(?:.*\S)?)\s*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,251}[A-Za-z0-9])?")
_ABSENT = {
    "node.role": "nodes have no roles; give nodes labels and ask for node.labels.NAME==VALUE",
    "engine.labels": 'write "node.labels.NAME==VALUE"',
}


class BackendKind(Enum):
    """Where the nodes of a deployment are."""

    EMBEDDED = "embedded"
    """One node on this machine."""
    RAY = "ray"
    """One on each machine of a Ray cluster."""


class Strategy(Enum):
    """Which of several nodes a pod goes to."""

    SPREAD = "spread"
    """One where few replicas of its service are."""
    PACK = "pack"
    """The fullest that has room, so that other nodes stay free."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a node must be, or must not be."""

    attribute: str
    """`node.hostname`, or `node.labels.` and the name of a label."""
    value: str
    equal: bool = True

    def __str__(self) -> str:
        return f"{self.attribute}{'==' if self.equal else '!='}{self.value}"


def parse_constraint(text: str) -> Constraint:
    """Read `node.labels.zone==a` or `node.hostname!=x`."""
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise ValueError(
            f'expected a constraint such as "node.labels.zone==a" or "node.hostname!=x", '
            f"found {quoted(text)}"
        )
    return Constraint(parse_attribute(match[1]), match[3], match[2] == "==")


def parse_attribute(text: str) -> str:
    """Read what a constraint asks about."""
    if text.startswith(LABEL_PREFIX):
        label = text.removeprefix(LABEL_PREFIX)
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{quoted(text)} names no label: use letters, digits, dots, dashes")
        return text
    if text in ATTRIBUTES:
        return text
    for absent, remedy in _ABSENT.items():
        if text == absent or text.startswith(f"{absent}."):
            raise ValueError(f"{quoted(text)} is not known of a node; {remedy}")
    known = [*ATTRIBUTES, f"{LABEL_PREFIX}NAME"]
    hint = suggestion(text, known, what="attributes of nodes")
    raise ValueError(f"unknown attribute {quoted(text)}; {hint}")


def parse_spread(text: str) -> str:
    """Read the label over whose values replicas are spread, such as `node.labels.zone`."""
    if not text.startswith(LABEL_PREFIX):
        raise ValueError(
            f"replicas are spread over a label, such as node.labels.zone; found {quoted(text)}"
        )
    return parse_attribute(text)
