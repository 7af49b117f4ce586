"""The certificates of one deployment's nodes, and of the orchestrator that they obey.

Owns two authorities, kept in the deployment's folder. One signs the nodes' certificates, the other
nothing but the orchestrator's; a node obeys the second, so no node can give orders to another.
"""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestrator.codec.securing import ClientCredentials
from pod_node.credentials import NodeCredentials

TOKEN_BYTES = 32
ORCHESTRATOR = "orchestrator"
LIFE = datetime.timedelta(days=3650)
"""A deployment is not expected to last longer; its certificates go with it."""
EARLY = datetime.timedelta(days=1)
"""Clocks of machines differ."""


class Authority:
    """Signs certificates."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @classmethod
    def create(cls, name: str, now: datetime.datetime) -> Authority:
        """Make a new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name[:64])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(subject, subject, key, now)
        certificate = builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256())
        return cls(key, certificate)

    @classmethod
    def read(cls, folder: Path, name: str) -> Authority:
        """Read one that was kept."""
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{folder / name}.key is of another kind")
        certificate = (folder / f"{name}.pem").read_bytes()
        return cls(key, x509.load_pem_x509_certificate(certificate))

    def keep(self, folder: Path, name: str) -> None:
        """Keep it where nobody but the owner reads it."""
        write_private(folder / f"{name}.key", _private(self._key))
        write_private(folder / f"{name}.pem", self.certificate)

    @property
    def certificate(self) -> bytes:
        """Its own, which those trust who trust it."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, now: datetime.datetime) -> tuple[bytes, bytes]:
        """Make a key and a certificate for somebody."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(_name(name), self._certificate.subject, key, now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), _private(key)


class Credentials:
    """Both authorities, and the orchestrator's own certificate."""

    def __init__(
        self, folder: Path, nodes: Authority, clients: Authority, now: datetime.datetime
    ) -> None:
        self._folder = folder
        self._nodes = nodes
        self._clients = clients
        self._now = now
        certificate, key = clients.issue(ORCHESTRATOR, now)
        self.client = ClientCredentials(certificate=certificate, key=key, nodes=nodes.certificate)

    def node(self, name: str) -> tuple[NodeCredentials, bytes]:
        """What a node needs, and the authority by which it knows other nodes; kept, too."""
        places = (self._folder / f"node-{name}.pem", self._folder / f"node-{name}.key")
        try:
            certificate, key = (place.read_bytes() for place in places)
        except FileNotFoundError:
            certificate, key = self._nodes.issue(name, self._now)
            for place, content in zip(places, (certificate, key), strict=True):
                write_private(place, content)
        own = NodeCredentials(certificate=certificate, key=key, clients=self._clients.certificate)
        return own, self._nodes.certificate


def open_credentials(deployment: str, folder: Path, now: datetime.datetime) -> Credentials:
    """Give a deployment's credentials: those that are kept in a folder, or new ones.

    Raises:
        OSError: the folder cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        nodes, clients = Authority.read(folder, "nodes"), Authority.read(folder, "clients")
    except (FileNotFoundError, ValueError):
        nodes = Authority.create(f"podnet {deployment} nodes", now)
        clients = Authority.create(f"podnet {deployment} clients", now)
        nodes.keep(folder, "nodes")
        clients.keep(folder, "clients")
        for stale in folder.glob("node-*"):
            stale.unlink()
    return Credentials(folder, nodes, clients, now)


def open_token(folder: Path) -> bytes:
    """Give the token by which a deployment's nodes know each other: the one that is kept, or new.

    Raises:
        OSError: the folder cannot be used.
    """
    place = folder / "token"
    try:
        token = place.read_bytes()
    except FileNotFoundError:
        token = b""
    if len(token) != TOKEN_BYTES:
        token = secrets.token_bytes(TOKEN_BYTES)
        write_private(place, token)
    return token


def write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody but the owner can read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(now + LIFE)
    )
