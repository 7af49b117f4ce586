"""Network namespaces as machines with addresses of their own, where Linux lets this user make them.

All that is made has the same name and is gone with the block; nothing outside of it is changed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Namespace:
    """A network stack of its own."""

    name: str
    address: str

    def inside(self, *command: str) -> list[str]:
        """A command as it is run in the namespace."""
        return ["ip", "netns", "exec", self.name, *command]


@contextmanager
def two_namespaces(subnet: str) -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces joined by a wire, with the first two addresses of a /24, given as `10.9.8`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the program ip (apt-get install iproute2)")
    mark = f"pn{secrets.token_hex(3)}"
    first, second = (Namespace(f"{mark}{number}", f"{subnet}.{number}") for number in (1, 2))
    with ExitStack() as stack:
        for one in (first, second):
            if subprocess.run(["ip", "netns", "add", one.name], capture_output=True).returncode:
                pytest.skip("this user may make no network namespace")
            stack.callback(_ip, "netns", "del", one.name)
        wire = ("type", "veth", "peer", "name", "wire", "netns", second.name)
        _ip("-n", first.name, "link", "add", "wire", *wire)
        for one in (first, second):
            _ip("-n", one.name, "addr", "add", f"{one.address}/24", "dev", "wire")
            for device in ("lo", "wire"):
                _ip("-n", one.name, "link", "set", device, "up")
        yield first, second


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
