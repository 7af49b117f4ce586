"""Which portal a Host field names, and which replica is next: the routing core.

Owns portal names, backends and counters. Routing is by host name only, never by address: a page of
another site that points its own name at 127.0.0.1 (DNS rebinding) reaches nothing, and a name with
80 random bits cannot be guessed by it either. Opens no sockets.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vnet.edge.errors import MalformedLabelError, MessageRefusedError
from vnet.latency import Latencies

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

Backend = tuple[str, int]
"""Address and port of one replica."""

NAME_BYTES = 10
"""80 random bits, 16 characters of base32: out of reach for guessing over a network."""

MAX_LABEL = 63
"""RFC 1035 2.3.4."""

_RANDOM = re.compile("[a-z2-7]{16}")

DOMAIN = "localhost"
"""Browsers and curl send every name below it to this machine (RFC 6761 6.3)."""


@dataclass(slots=True)
class PortalCounters:
    """What went through one portal since it was opened."""

    connections: int = 0
    """Client connections open now."""
    requests: int = 0
    responses_2xx: int = 0
    responses_3xx: int = 0
    responses_4xx: int = 0
    responses_5xx: int = 0
    failures: int = 0
    """Requests that no replica answered usably; the client got a 502, 503 or 504, or a cut."""
    refused: int = 0
    """Requests whose body broke a rule, and connections over the cap."""
    websockets: int = 0
    received_bytes: int = 0
    """Request bodies and WebSocket bytes from clients, as framed for the replica."""
    sent_bytes: int = 0
    """Heads, bodies and WebSocket bytes to clients."""
    upstream_connections: int = 0
    """Connections made to replicas; requests beyond this number reused one."""
    retries: int = 0
    """Requests repeated because a kept-alive connection turned out closed."""
    latencies: Latencies = field(default_factory=Latencies)
    """From a request's head to the end of its answer, the portal's own included."""

    def count_response(self, status: int) -> None:
        """Count a final response from a replica."""
        match status // 100:
            case 2:
                self.responses_2xx += 1
            case 3:
                self.responses_3xx += 1
            case 4:
                self.responses_4xx += 1
            case _:
                self.responses_5xx += 1


class Portal:
    """One port of one service, opened under one name."""

    __slots__ = (
        "_cursor",
        "backends",
        "closed",
        "counters",
        "hostname",
        "pinned",
        "port",
        "service",
    )

    def __init__(
        self,
        hostname: str,
        service: str,
        port: int,
        backends: Iterable[Backend],
        pinned: int | None,
    ) -> None:
        self.hostname, self.service, self.port, self.pinned = hostname, service, port, pinned
        self.backends = tuple(backends)
        self.counters = PortalCounters()
        self.closed = False
        self._cursor = -1

    def set_backends(self, backends: Iterable[Backend]) -> None:
        """Replace the replicas; requests under way stay where they are."""
        self.backends = tuple(backends)

    def next_backend(self, tried: Collection[Backend] = ()) -> Backend | None:
        """Return the replica whose turn it is among those not `tried`, or None."""
        backends = self.backends
        for _ in backends:
            self._cursor = (self._cursor + 1) % len(backends)
            if backends[self._cursor] not in tried:
                return backends[self._cursor]
        return None


class PortalTable:
    """All open portals of a deployment, by host name."""

    def __init__(self, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._entropy = entropy
        self._portals: dict[str, Portal] = {}

    def __iter__(self) -> Iterator[Portal]:
        return iter(self._portals.values())

    def open(
        self,
        service: str,
        port: int,
        backends: Iterable[Backend] = (),
        *,
        pinned: int | None = None,
        label: str = "",
    ) -> Portal:
        """Open a portal under a new, unguessable name, or under the one that it had before.

        Args:
            service: Name of the service, which becomes part of the host name.
            port: Port on which the replicas listen.
            backends: The replicas that are ready now.
            pinned: A port of this machine that serves this portal alone.
            label: What `portal_label` gave it before; empty for a new one.

        Raises:
            MalformedLabelError: The label is none that this portal can have had, or is in use.
        """
        random = base64.b32encode(self._entropy(NAME_BYTES)).decode().lower()
        if label:
            random = label[: len(random)]
        hostname = f"{portal_label(random, service, port)}.{DOMAIN}"
        if label and (not _RANDOM.fullmatch(random) or hostname != f"{label}.{DOMAIN}"):
            raise MalformedLabelError(label)
        if hostname in self._portals:
            raise MalformedLabelError(label)
        portal = Portal(hostname, service, port, backends, pinned)
        self._portals[hostname] = portal
        return portal

    def close(self, portal: Portal) -> None:
        """Forget `portal`; its name is never used again."""
        self._portals.pop(portal.hostname, None)
        portal.closed = True

    def lookup(self, host: str) -> Portal | None:
        """Return the portal that a Host field's value names, in any case and with any port."""
        return self._portals.get(host.partition(":")[0].lower())

    def route(self, host: bytes, pinned: Portal | None = None) -> Portal:
        """Return the portal for the checked value of a Host field.

        Args:
            host: The value.
            pinned: The portal that owns the listener, if one does: then no other is served there,
                and the loopback names with that port will do.

        Raises:
            MessageRefusedError: No portal has that name.
        """
        text = host.decode("ascii")
        portal = self.lookup(text)
        if pinned is not None:
            names = (f"{DOMAIN}:{pinned.pinned}", f"127.0.0.1:{pinned.pinned}")
            if portal is pinned or (text.lower() in names and not pinned.closed):
                return pinned
            raise MessageRefusedError(
                f"This port serves only {names[0]}, not {text}. Open http://{names[0]}/ instead.",
                421,
            )
        if portal is not None:
            return portal
        if text.partition(":")[0].lower().endswith("." + DOMAIN):
            raise MessageRefusedError(
                f"No portal is open under {text}. It was closed or the name is mistyped; "
                "`podnet portal ls` lists the open ones with their URLs.",
                404,
            )
        raise MessageRefusedError(
            f"Portals answer to their own host name only, not to {text}. "
            "`podnet portal ls` lists the URLs.",
            421,
        )


def portal_label(random: str, service: str, port: int) -> str:
    """Return `<random>-<service>-<port>` as one DNS label, shortening the service's name."""
    plain = re.sub(r"[^a-z0-9]+", "-", service.lower()).strip("-")
    room = MAX_LABEL - len(random) - len(str(port)) - 2
    plain = plain[:room].strip("-") or "x"
    return f"{random}-{plain}-{port}"
