"""What a node proves with that it is itself, and knows its orchestrator by.

Owns the three files and how gRPC takes them. Both sides prove who they are (mutual TLS): the node's
certificate carries its name, and the node obeys whoever has a certificate of `clients.pem`'s
authority, which signs nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from pod_node.errors import CredentialsError

CERTIFICATE, KEY, CLIENTS = "node.pem", "node.key", "clients.pem"
"""Names of the files in a node's folder of credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCredentials:
    """A node's side of mutual TLS; all PEM."""

    certificate: bytes
    key: bytes
    clients: bytes
    """The authority of those whom the node obeys."""

    def write(self, folder: Path) -> None:
        """Keep them where nobody but the owner reads them."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name, content in self._files():
            path = folder / name
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(content)

    def server(self) -> grpc.ServerCredentials:
        """What a server is bound with."""
        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)],
            root_certificates=self.clients,
            require_client_auth=True,
        )

    def _files(self) -> tuple[tuple[str, bytes], ...]:
        return ((CERTIFICATE, self.certificate), (KEY, self.key), (CLIENTS, self.clients))


def read_credentials(folder: Path) -> NodeCredentials:
    """Read what `NodeCredentials.write` wrote.

    Raises:
        CredentialsError: a file is not there or cannot be read.
    """
    try:
        return NodeCredentials(
            certificate=(folder / CERTIFICATE).read_bytes(),
            key=(folder / KEY).read_bytes(),
            clients=(folder / CLIENTS).read_bytes(),
        )
    except OSError as error:
        raise CredentialsError(str(error.filename), error.strerror or str(error)) from error
