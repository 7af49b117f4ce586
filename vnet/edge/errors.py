"""Errors of the portal: what a person can cause (ports) and what a message can violate (HTTP).

Owns the error classes of `vnet.edge`. Errors of a backend's connection are the ordinary `OSError`
subclasses and do not appear here.
"""

from vnet.errors import VnetError


class PortInUseError(VnetError):
    """Another program listens on the port that a portal needs."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host, self.port = host, port

    def __str__(self) -> str:
        return (
            f"port {self.port} on {self.host} is in use by another program: stop it "
            f"(`ss -ltnp 'sport = :{self.port}'` names it), or choose another port"
        )


class PortNotAllowedError(VnetError):
    """The operating system does not let this user listen on the port."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(host, port, reason)
        self.host, self.port, self.reason = host, port, reason

    def __str__(self) -> str:
        return (
            f"cannot listen on port {self.port} of {self.host} ({self.reason}): "
            "choose a port from 1024 to 65535 and an address of this machine"
        )


class MalformedLabelError(VnetError):
    """A portal cannot be opened under a label."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label

    def __str__(self) -> str:
        return (
            f'"{self.label}" is no name that this portal can have had, or another one has it; '
            "open it without one"
        )


class MessageRefusedError(VnetError):
    """An HTTP message breaks a rule on which safe forwarding depends.

    A client gets `status`; the same fault in a backend's answer becomes a 502.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason, status)
        self.reason, self.status = reason, status

    def __str__(self) -> str:
        return self.reason


class BackendFailedError(VnetError):
    """No usable answer could be had from the replicas behind a portal."""

    def __init__(self, service: str, port: int, status: int, reason: str) -> None:
        super().__init__(service, port, status, reason)
        self.service, self.port, self.status, self.reason = service, port, status, reason

    def __str__(self) -> str:
        return f"service {self.service!r}, port {self.port}: {self.reason}"


class UpstreamBrokenError(VnetError):
    """The connection to a backend ended before its message was whole."""

    def __init__(self, reason: str, untouched: bool) -> None:
        super().__init__(reason, untouched)
        self.reason = reason
        self.untouched = untouched
        """No byte of an answer had arrived, so the backend may never have seen the request."""

    def __str__(self) -> str:
        return self.reason


class ClientGoneError(VnetError):
    """The client's connection is lost; nobody is left to answer."""
