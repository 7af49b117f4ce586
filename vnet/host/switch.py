"""What the host needs of a fabric.

Owns the protocol only; the engine implements it over the kernel.
Descriptors are the host's own, small numbers. Calls never block; failures are `OSError` with
Linux's numbers.
"""

from __future__ import annotations

from typing import Protocol


class Switch(Protocol):
    """A fabric as seen from the host."""

    def read(self, descriptor: int, size: int) -> bytes | None:
        """Take up to `size` bytes; empty at the end of the stream, None when it would block."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int | None:
        """Give bytes; how many were taken, None when it would block."""

    def connect(self, ipv4: int, port: int) -> int:
        """Start a connection; watch it for writing, then ask `error`."""

    def listen(self, ipv4: int, port: int, backlog: int) -> int:
        """Open a listener; port 0 takes an ephemeral one."""

    def await_port(self, ipv4: int, port: int) -> int:
        """A descriptor that is readable when a program listens on a port of a pod."""

    def accept(self, descriptor: int) -> int | None:
        """Take the next connection; None when there is none."""

    def bind_datagrams(self, ipv4: int, port: int) -> int:
        """Open a datagram socket; port 0 takes an ephemeral one."""

    def receive_from(self, descriptor: int) -> tuple[bytes, tuple[str, int]] | None:
        """Take the next datagram and its sender's address and port; None when there is none."""

    def send_to(self, descriptor: int, data: bytes, ipv4: int, port: int) -> None:
        """Send one datagram."""

    def shutdown_write(self, descriptor: int) -> None:
        """Send no more; the peer sees the end of the stream."""

    def reset_on_close(self, descriptor: int) -> None:
        """Have the peer see a reset when the descriptor is given back."""

    def error(self, descriptor: int) -> int:
        """Take the pending errno; 0 when there is none."""

    def endpoint(self, descriptor: int, *, remote: bool) -> tuple[str, int]:
        """Return the local or remote address and port."""

    def watch(self, descriptor: int, *, writing: bool) -> bool:
        """Ask for one token on readiness; True when it is ready now and none will come."""

    def watch_hangup(self, descriptor: int) -> bool:
        """As `watch` for reading, and in its place, but for a reset alone; may be told early."""

    def close(self, descriptor: int) -> None:
        """Give the descriptor back; a connection with unread bytes is reset."""
