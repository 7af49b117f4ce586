"""The certificates of one deployment's nodes, and of the orchestrator that they obey.

Owns two authorities that live in this process only as long as certificates are issued. One signs
the nodes' certificates, the other nothing but the orchestrator's; a node obeys the second, so no
node can give orders to another.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pod_node.credentials import NodeCredentials

ORCHESTRATOR = "orchestrator"
LIFE = datetime.timedelta(days=3650)
"""A deployment is not expected to last longer; its certificates go with it."""
EARLY = datetime.timedelta(days=1)
"""Clocks of machines differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The orchestrator's side of mutual TLS; all PEM."""

    certificate: bytes
    key: bytes
    nodes: bytes
    """The authority of the nodes."""


class Authority:
    """Signs certificates."""

    def __init__(self, name: str, now: datetime.datetime) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = (
            _builder(self._name, self._name, self._key, now)
            .add_extension(constraints, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """Its own, which those trust who trust it."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Make a key and a certificate for somebody."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(_name(name), self._name, key, self._now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return certificate.public_bytes(serialization.Encoding.PEM), private


class Credentials:
    """Both authorities, and the orchestrator's own certificate."""

    def __init__(self, deployment: str, now: datetime.datetime) -> None:
        self._nodes = Authority(f"podnet {deployment} nodes"[:64], now)
        self._clients = Authority(f"podnet {deployment} clients"[:64], now)
        certificate, key = self._clients.issue(ORCHESTRATOR)
        self.client = ClientCredentials(
            certificate=certificate, key=key, nodes=self._nodes.certificate
        )

    def node(self, name: str) -> tuple[NodeCredentials, bytes]:
        """What a node needs, and the authority by which it knows other nodes."""
        certificate, key = self._nodes.issue(name)
        own = NodeCredentials(
            certificate=certificate, key=key, clients=self._clients.certificate
        )
        return own, self._nodes.certificate


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
