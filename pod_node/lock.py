"""Where a node's lock is; here alone, so that whoever looks for a node loads nothing else."""

from __future__ import annotations

LOCK_FILE = "node.lock"
"""In the state folder; locked as long as a node uses it, and holds the node's process id."""
