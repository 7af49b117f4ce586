"""What has to be in the environment before Ray is imported, since Ray looks once only.

Owns these variables, and the search for a cluster that runs on this machine. Imports no Ray.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import MutableMapping
from pathlib import Path

from orchestrator.backends.ray.errors import NoClusterError

PROBE_S = 5.0
"""How long a cluster may take to take a connection; Ray itself waits for minutes."""
AUTH_MODE, AUTH_TOKEN, AUTH_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
ADDRESS = "RAY_ADDRESS"
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_CURRENT = Path("ray") / "ray_current_cluster"
"""Below the folder for temporary files; where `ray start` notes its address."""


def prepare(address: str, environment: MutableMapping[str, str]) -> str:
    """Make ready to connect; say to which cluster, or nothing for a new one.

    Args:
        address: `HOST:PORT`; empty is whatever runs here.
        environment: Where Ray will look.

    Raises:
        NoClusterError: nothing answers at the address.
    """
    for name, value in _QUIET.items():
        environment.setdefault(name, value)
    wished = address or environment.get(ADDRESS, "")
    if wished and wished != "auto":
        _probe(wished)
        found = wished
    else:
        found = _running(environment)
    has_token = AUTH_TOKEN in environment or AUTH_PATH in environment
    if found and has_token:
        environment.setdefault(AUTH_MODE, "token")
    elif not found and environment.setdefault(AUTH_MODE, "token") == "token" and not has_token:
        environment[AUTH_TOKEN] = secrets.token_hex(32)
    return found


def _running(environment: MutableMapping[str, str]) -> str:
    """The cluster that runs on this machine, if one does."""
    folder = Path(environment.get("RAY_TMPDIR", "/tmp"))
    try:
        address = (folder / _CURRENT).read_text("utf-8").strip()
        _probe(address)
    except (OSError, NoClusterError):
        return ""
    return address


def _probe(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise NoClusterError(address, 'it is no "HOST:PORT", for example 10.0.0.1:6379')
    try:
        socket.create_connection((host, int(port)), PROBE_S).close()
    except (OSError, OverflowError) as error:
        raise NoClusterError(address, str(error)) from error
