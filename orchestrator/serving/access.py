"""Who may take part in a deployment over the network, as it stands on a command line.

Owns the values for both sides, and the refusal of what would let anybody in. Nothing listens
without a client's certificate or a token; a token goes over TLS only, but on the machine's own
loopback.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import OrchestratorError

TOKEN_LEAST = 16
"""Characters; `openssl rand -hex 32` gives 64."""
TOKEN_BYTES_MOST = 4096


class AccessError(OrchestratorError):
    """The way in would be open, or its files cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate with its key, as files in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """Where to listen, and whom to let in."""

    host: str
    port: int
    """0 takes a free one."""
    tls: Certificate | None = None
    client_ca: Path | None = None
    """Only clients with a certificate of this authority."""
    token_file: Path | None = None
    """Only clients that have this token."""

    def __post_init__(self) -> None:
        """Refuse what would let anybody in.

        Raises:
            AccessError: it would.
        """
        if self.client_ca is None and self.token_file is None:
            raise AccessError(
                f"listening on {self.host}:{self.port} would let anybody in; give --tls-client-ca "
                "to ask for certificates, or --token-file to ask for a token"
            )
        if self.client_ca is not None and self.tls is None:
            raise AccessError("--tls-client-ca needs --tls-cert and --tls-key")
        if self.tls is None and not is_loopback(self.host):
            raise AccessError(
                f"a token would cross the network to {self.host} in the clear; give --tls-cert and "
                "--tls-key, or listen on 127.0.0.1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAddress:
    """Where a deployment is found over the network, and what to show there."""

    host: str
    port: int
    ca: Path | None = None
    """The authority that the other side's certificate must be of; None is without TLS."""
    tls: Certificate | None = None
    """Our own."""
    token_file: Path | None = None

    def __str__(self) -> str:
        return join_host(self.host, self.port)

    def __post_init__(self) -> None:
        """Refuse to send a token where others could read it.

        Raises:
            AccessError: they could, or there is nothing to show.
        """
        if self.tls is None and self.token_file is None:
            raise AccessError(f"{self} lets nobody in without --token-file or --tls-cert")
        if self.ca is None and (self.tls is not None or not is_loopback(self.host)):
            raise AccessError(
                f"{self} must show that it is the right one; give --tls-ca, the certificate of "
                "its authority"
            )


def split_host(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`; an IPv6 address is in brackets.

    Raises:
        AccessError: it is none.
    """
    host, _, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    plain = ":" not in host or _is_ipv6(host)
    if not host or not plain or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise AccessError(f'"{text}" is no HOST:PORT; write for example 127.0.0.1:7443')
    return host, int(port)


def join_host(host: str, port: int) -> str:
    """Write `HOST:PORT`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host can be nothing but this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path) -> str:
    """Read a token from a file that nobody else can read.

    Raises:
        AccessError: it cannot be used.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(TOKEN_BYTES_MOST + 1)
    except OSError as error:
        raise AccessError(f"token file {path}: {error.strerror or error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise AccessError(f"token file {path} is open to others; run: chmod 600 {path}")
    token = content.decode("ascii", "replace").strip()
    if not TOKEN_LEAST <= len(token) <= TOKEN_BYTES_MOST or not _is_plain(token):
        raise AccessError(
            f"token file {path} must have one word of at least {TOKEN_LEAST} letters and digits; "
            f"make one with: openssl rand -hex 32 > {path}"
        )
    return token


def read_pem(path: Path) -> bytes:
    """Read a certificate or a key.

    Raises:
        AccessError: it cannot be read, or is none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AccessError(f"{path}: {error.strerror or error}") from error
    if b"-----BEGIN " not in content:
        raise AccessError(f"{path} is no certificate or key in PEM format")
    return content


def _is_plain(token: str) -> bool:
    return all("!" <= character <= "~" for character in token)


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def listen_arguments(address: ListenAddress) -> list[str]:
    """Write an address as the options of `podnet up`; paths become absolute."""
    tls = address.tls
    options = {
        "--listen": join_host(address.host, address.port),
        "--tls-cert": None if tls is None else tls.certificate,
        "--tls-key": None if tls is None else tls.key,
        "--tls-client-ca": address.client_ca,
        "--token-file": address.token_file,
    }
    words: list[str] = []
    for option, value in options.items():
        if value is not None:
            words += [option, str(value.absolute() if isinstance(value, Path) else value)]
    return words


def listen_address(
    listen: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    token_file: Path | None,
) -> ListenAddress | None:
    """Make an address of options; None when nobody asked for one.

    Raises:
        AccessError: it would let anybody in, or the options do not fit together.
    """
    if listen is None:
        if any((tls_cert, tls_key, tls_client_ca, token_file)):
            raise AccessError("certificates and tokens are for --listen HOST:PORT; give that, too")
        return None
    if (tls_cert is None) is not (tls_key is None):
        raise AccessError("give --tls-cert and --tls-key, or neither")
    host, port = split_host(listen)
    own = None
    if tls_cert is not None and tls_key is not None:
        own = Certificate(certificate=tls_cert, key=tls_key)
    return ListenAddress(
        host=host, port=port, tls=own, client_ca=tls_client_ca, token_file=token_file
    )
