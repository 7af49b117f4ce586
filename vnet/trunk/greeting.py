"""How two nodes make sure of each other before they say anything else.

Owns what a hello must be, and the proof that its sender knows the deployment's token, which is
never sent itself. A proof covers both hellos, whose nonces are new for each stream, and says which
side made it, so that none can be used twice. It keeps out whoever does not know the token; whoever
can change bytes on the way is kept out by TLS only.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum

from vnet.trunk.errors import PeerRefusedError

VERSION = 2
NONCE_BYTES = 32


class Side(Enum):
    """Which end of a stream somebody is."""

    DIALLER = b"dialler"
    LISTENER = b"listener"


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks."""

    version: int
    deployment: str
    node: str
    nonce: bytes


def check_hello(own: Hello, peer: Hello) -> None:
    """Make sure that two nodes belong together.

    Raises:
        PeerRefusedError: They do not.
    """
    if peer.version != own.version:
        raise PeerRefusedError(
            peer.node,
            f"speaks version {peer.version} of the trunk's protocol and this one "
            f"{own.version}; run the same podnet on both",
        )
    if peer.deployment != own.deployment:
        raise PeerRefusedError(
            peer.node,
            f'belongs to deployment "{peer.deployment}" and this one to "{own.deployment}"',
        )
    if len(peer.nonce) != NONCE_BYTES:
        raise PeerRefusedError(peer.node, f"has a nonce of {len(peer.nonce)} bytes")


def prove(token: bytes, side: Side, dialler: Hello, listener: Hello) -> bytes:
    """Make the proof of one side."""
    proof = hmac.new(token, side.value, hashlib.sha256)
    for hello in (dialler, listener):
        for part in (hello.deployment.encode(), hello.node.encode(), hello.nonce):
            proof.update(len(part).to_bytes(8, "big") + part)
        proof.update(hello.version.to_bytes(8, "big"))
    return proof.digest()


def check_proof(given: bytes, token: bytes, side: Side, dialler: Hello, listener: Hello) -> None:
    """Compare a proof, in a time that tells nothing about it.

    Raises:
        PeerRefusedError: It is not that of somebody who knows the token.
    """
    if not hmac.compare_digest(given, prove(token, side, dialler, listener)):
        peer = dialler if side is Side.DIALLER else listener
        raise PeerRefusedError(
            peer.node, "does not know the deployment's token; give both nodes the same"
        )
