"""Bounds of the portal, each with its reason.

Owns numbers only. Those that belong to the grammar of HTTP are constants; those that an operator
or a test may want to change are fields of `PortalLimits`.
"""

from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
"""Request line and fields. Browsers stay under 16 KiB even with many cookies; nginx takes 32."""

MAX_FIELDS = 100
"""Fields in one head or trailer section: Apache's default, and several times what browsers send."""

MAX_CHUNK_LINE_BYTES = 1024
"""A chunk's size line. Extensions are unused in practice, and endless ones are an attack."""

MAX_TRAILER_BYTES = 16 * 1024
"""A trailer section carries checksums and status, which need a fraction of a head."""

MAX_BODY_BYTES = 2**63 - 1
"""The largest length that signed 64-bit parsers behind the portal agree on."""

READ_BYTES = 64 * 1024
"""One read from a backend; `StreamReader` stops its transport at twice this by default."""

CLIENT_BUFFER_BYTES = 2 * MAX_HEAD_BYTES
"""Unprocessed bytes from a client before reading pauses: more than the largest head needs, because
a head that can neither grow nor end would wait for its deadline."""

WRITE_BUFFER_BYTES = 128 * 1024
"""Unsent bytes to a client before the portal stops reading the backend: two reads."""

LINGER_BYTES = 8 * 1024 * 1024
"""Bytes thrown away from a client that goes on sending after the final answer: without reading
them the kernel would send RST, which destroys the answer on its way (RFC 9112 9.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalLimits:
    """Timeouts and caps of a portal server."""

    head_s: float = 10.0
    """From the first byte of a head to its last. Slow-loris clients hold a connection no longer."""
    idle_s: float = 60.0
    """A kept-alive client connection without a request; browsers reuse within about a minute."""
    stalled_s: float = 300.0
    """A body that does not move, because the client does not send or read, or the replica does not
    read; long enough for a program that was stopped in a debugger."""
    half_closed_s: float = 10.0
    """After a client closes its sending side: time to fetch an answer. A browser that went away
    looks the same as a script that half-closed, so an endless answer must not run on."""
    half_closed_tunnel_s: float = 60.0
    """The same for a WebSocket whose other direction is silent."""
    linger_s: float = 2.0
    """After the last answer: time for the client to read it and close (nginx uses 5 s)."""
    connect_s: float = 5.0
    """To reach a replica. Covers TCP's retransmission of a lost SYN at 1 s and 3 s."""
    upstream_idle_s: float = 4.0
    """An idle connection to a replica; common servers (Node, uvicorn) close theirs after 5 s."""
    upstream_idle_connections: int = 256
    """Idle connections kept per replica. Fewer than the clients that ask at once, and connections
    are closed and opened all the time (wrk with 64 clients, 32 kept: 270 us of CPU per request;
    64 kept: 97 us); inside a fabric an idle one costs a few KB and no descriptor."""
    portal_connections: int = 512
    """Client connections of one portal, so that one flooded portal leaves room for the others."""
    connections: int = 768
    """Client connections of the server: below the usual limit of 1,024 descriptors per process."""
    sweep_s: float = 1.0
    """How often deadlines are checked. One timer serves all connections, and none when idle."""
