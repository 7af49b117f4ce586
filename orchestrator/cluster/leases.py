"""Who may run pods until when.

Owns the table of grants. A node counts a lease from the moment at which it asked for it, this table
from the later one at which it was granted; so once a lease is over here, it is over there, however
long question and answer took. That holds as long as clocks run at about the same rate: `DRIFT` is
the allowance. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

DRIFT = 0.01
"""How much faster one machine's clock may run than another's; real ones differ by 0.0001."""


@dataclass(slots=True)
class _Grant:
    until: float
    revoked: bool = False


class LeaseTable:
    """The leases of a deployment's nodes, each under a key that no other life of a node has."""

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        self._grants: dict[str, _Grant] = {}

    def renew(self, key: str, now: float) -> bool:
        """Grant a lease from now on; whether that was done."""
        grant = self._grants.setdefault(key, _Grant(now))
        if grant.revoked:
            return False
        grant.until = max(grant.until, now + self.lease_s * (1 + DRIFT))
        return True

    def revoke(self, key: str, now: float) -> float:
        """Grant no more leases to a node; when the last one ends, at most."""
        grant = self._grants.setdefault(key, _Grant(now))
        grant.revoked = True
        return max(grant.until, now)

    def expired(self, now: float) -> list[str]:
        """Nodes whose lease is over although nobody revoked it; they do so no more than once."""
        over = [k for k, g in self._grants.items() if not g.revoked and g.until <= now]
        for key in over:
            self._grants[key].revoked = True
        return over

    def forget(self, key: str) -> None:
        """Drop a node that is known to have ended."""
        self._grants.pop(key, None)
