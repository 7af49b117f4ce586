"""What a machine is, read where it matters: on it.

Owns the reading, and what is made sure of before a node is started: that both sides run the same
podnet, and that the processor has what the engine needs.
"""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from orchestrator.backends.machine import map_count
from orchestrator.cluster.listening import machine_addresses
from orchestrator.cluster.values import MachineFacts
from orchestrator.placement.values import pods_most

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ARCHITECTURES = ("x86_64", "aarch64")
_NEEDED = {"x86_64": ("sse4_1", "ssse3", "popcnt", "cx16")}
"""Processor features that compiled guests use and that not every x86-64 has."""
_CONTRACTS = ("node/v1", "vnet/v1")


def machine_facts() -> MachineFacts:
    """Say what this machine is."""
    return MachineFacts(
        hostname=socket.gethostname(),
        machine=f"{_read(_BOOT_ID)} {_network()}",
        system=platform.system().lower(),
        architecture=platform.machine(),
        pods_most=pods_most(map_count()),
        podnet=version("podnet"),
        contract=_contract(),
        python=".".join(platform.python_version_tuple()[:2]),
        engine=version("wasmtime"),
        missing=tuple(_missing()),
        addresses=machine_addresses(),
    )


def unfit_reason(there: MachineFacts, here: MachineFacts) -> str:
    """Say why a machine cannot run pods of an orchestrator on another one; empty when it can."""
    if there.missing:
        return f"it lacks {', '.join(there.missing)}"
    if (there.podnet, there.contract) != (here.podnet, here.contract):
        return (
            f"it has podnet {there.podnet} ({there.contract}) and this machine podnet "
            f"{here.podnet} ({here.contract}); install the same on both"
        )
    for name, theirs, ours in (
        ("Python", there.python, here.python),
        ("wasmtime", there.engine, here.engine),
    ):
        if theirs != ours:
            return (
                f"it has {name} {theirs} and this machine {name} {ours}; install the same on both"
            )
    return ""


def _contract() -> str:
    digest = hashlib.sha256()
    for folder in _CONTRACTS:
        found = {entry.name: entry for entry in (files("protos") / folder).iterdir()}
        for name in sorted(name for name in found if name.endswith(".proto")):
            digest.update(found[name].read_bytes())
    return digest.hexdigest()[:16]


def _missing() -> list[str]:
    missing = []
    if platform.system() != "Linux":
        missing.append("Linux")
    if platform.machine() not in _ARCHITECTURES:
        missing.append(f"a processor of {' or '.join(_ARCHITECTURES)}")
    flags = _flags()
    missing += [
        f"{flag} in its processor"
        for flag in _NEEDED.get(platform.machine(), ())
        if flags and flag not in flags
    ]
    return missing


def _flags() -> frozenset[str]:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _network() -> str:
    """What Linux calls this process's network namespace."""
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
