"""Policies of the virtual network in the kernel: applied by difference, counted, explained.

Owns their layout there, which `vnet/fabric/pods/policy_table.c` describes, and which of them the
kernel has. A policy that stays as it was keeps its counters.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from pod_node.engine.errors import PolicyRefusedError
from vnet.configuration import Denial, Direction, PortRange, Protocol
from vnet.statistics import PolicyStatistics

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network

    from pod_node.engine.fabric import Fabric
    from vnet.configuration import Policy

POLICIES_MOST = 4096
RULES_MOST = 65_535
"""Of one policy."""


class Verdict(IntEnum):
    """What becomes of a connection, by the kernel's numbers."""

    ALLOW = 0
    REJECT = 1
    DROP = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """What one side's policies say of a connection."""

    policy: str
    rule: int | None
    """The rule that allows it, counted from 0; None when no rule of any policy does."""

    @property
    def denies(self) -> bool:
        """Whether it is not allowed."""
        return self.rule is None


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict, and why; no reason on a side that nothing isolates."""

    verdict: Verdict
    egress: Reason | None
    ingress: Reason | None


_DIRECTIONS = {Direction.EGRESS: 0, Direction.INGRESS: 1}
_DENIALS = {Denial.REJECT: Verdict.REJECT, Denial.DROP: Verdict.DROP}
_PROTOCOLS = {Protocol.TCP: 6, Protocol.UDP: 17}
_ICMP = 1
_NONE = 0xFFFFFFFF
_REASON = struct.Struct("<4I")


def encode(policy: Policy, groups: Mapping[str, int]) -> bytes:
    """Give a policy as the kernel takes it.

    Args:
        policy: what to encode.
        groups: the node's numbers of groups.

    Raises:
        PolicyRefusedError: it names a group that does not exist, or has too many rules.
    """
    if len(policy.rules) > RULES_MOST:
        raise PolicyRefusedError(
            policy.name, f"it has {len(policy.rules)} rules and {RULES_MOST} are possible"
        )
    peers: list[int] = []
    blocks: list[int] = []
    excepted: list[int] = []
    ports: list[int] = []
    ends: list[int] = []
    for rule in policy.rules:
        peers += _numbers(policy, rule.groups, groups)
        for block in rule.blocks:
            for hole in block.excepted:
                excepted += _subnet(hole)
            blocks += (*_subnet(block.block), len(excepted) // 2)
        for range_ in rule.ports:
            ports += _ports(range_)
        ends += (len(peers), len(blocks) // 3, len(ports) // 3)
    selected = _numbers(policy, policy.groups, groups)
    counts = (len(selected), len(policy.rules), len(peers), len(blocks) // 3)
    words = [_DIRECTIONS[policy.direction], _DENIALS[policy.denial], *counts]
    words += [len(excepted) // 2, len(ports) // 3]
    words += [*selected, *ends, *peers, *blocks, *excepted, *ports]
    return struct.pack(f"<{len(words)}I", *words)


def _numbers(policy: Policy, names: Iterable[str], groups: Mapping[str, int]) -> list[int]:
    names = tuple(names)
    for name in names:
        if name not in groups:
            raise PolicyRefusedError(
                policy.name, f"it names the group {name}, which the network does not have"
            )
    return [groups[name] for name in names]


def _subnet(network: IPv4Network) -> tuple[int, int]:
    return int(network.network_address), int(network.netmask)


def _ports(range_: PortRange) -> tuple[int, int, int]:
    return _PROTOCOLS[range_.protocol], range_.first, range_.last


class PolicyTables:
    """The policies that one fabric has."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._encoded: list[tuple[str, bytes]] = []
        """Names and contents of the policies in force."""

    def apply(self, policies: Sequence[Policy], groups: Mapping[str, int]) -> None:
        """Have these policies in force and no others, all at once.

        Connections that are there already stay, even those that would be denied now.

        Args:
            policies: in the order in which they say how connections are denied.
            groups: the node's numbers of all groups.

        Raises:
            PolicyRefusedError: one cannot be in force; nothing has changed.
        """
        if len(policies) > POLICIES_MOST:
            raise PolicyRefusedError(
                policies[POLICIES_MOST].name,
                f"there are {len(policies)} policies and {POLICIES_MOST} are possible",
            )
        encoded = [(policy.name, encode(policy, groups)) for policy in policies]
        if encoded == self._encoded:
            return
        before = {content: index for index, content in enumerate(self._encoded)}
        if self._fabric.try_call("host_policies_begin", len(encoded)) < 0:
            raise PolicyRefusedError(encoded[0][0], "the fabric has no room for a table")
        for name, words in encoded:
            kept = before.pop((name, words), None)
            if kept is not None:
                self._fabric.call("host_policies_keep", kept)
            else:
                self._add(name, words)
        self._fabric.call("host_policies_commit")
        self._encoded = encoded

    def _add(self, name: str, words: bytes) -> None:
        fabric = self._fabric
        if len(words) > fabric.staging_size:
            raise PolicyRefusedError(
                name, f"it takes {len(words)} bytes and {fabric.staging_size} are possible"
            )
        fabric.view[fabric.staging : fabric.staging + len(words)] = words
        result = fabric.try_call("host_policies_add", fabric.staging, len(words) // 4)
        if result < 0:
            raise PolicyRefusedError(name, f"the kernel says {os.strerror(-result)}")

    def statistics(self) -> list[PolicyStatistics]:
        """Return what every policy has decided since it is in force."""
        fabric = self._fabric
        found = []
        for index, (name, _) in enumerate(self._encoded):
            capacity = fabric.staging_size // 8
            count = fabric.call("host_policies_count", index, fabric.staging, capacity)
            denied, *allowed = struct.unpack_from(f"<{count}Q", fabric.view, fabric.staging)
            found.append(PolicyStatistics(policy=name, denied=denied, allowed=tuple(allowed)))
        return found

    def explain(
        self, source: IPv4Address, target: IPv4Address, protocol: Protocol, port: int
    ) -> Ruling:
        """Say what would become of a connection, without counting it.

        Raises:
            OSError: nobody has the source address, or is to have it (ENOENT).
        """
        return self._explain(source, target, _PROTOCOLS[protocol], port)

    def echo_denier(self, source: IPv4Address, target: IPv4Address) -> str:
        """Name the policy that denies echoes, of both sides' the first one; empty for none.

        Raises:
            OSError: nobody has the source address, or is to have it (ENOENT).
        """
        ruling = self._explain(source, target, _ICMP, 0)
        denying = {side.policy for side in (ruling.egress, ruling.ingress) if side and side.denies}
        return next((name for name, _ in self._encoded if name in denying), "")

    def _explain(
        self, source: IPv4Address, target: IPv4Address, protocol: int, port: int
    ) -> Ruling:
        fabric = self._fabric
        verdict = fabric.call(
            "host_policy_explain", int(source), int(target), protocol, port, fabric.staging
        )
        numbers = _REASON.unpack_from(fabric.view, fabric.staging)
        egress, ingress = self._reason(*numbers[0::2]), self._reason(*numbers[1::2])
        return Ruling(Verdict(verdict), egress, ingress)

    def _reason(self, policy: int, rule: int) -> Reason | None:
        if policy == _NONE:
            return None
        return Reason(self._encoded[policy][0], None if rule == _NONE else rule)
