"""Names in the state folder; here alone, so that whoever looks for a node loads nothing else."""

from __future__ import annotations

LOCK_FILE = "node.lock"
"""Locked as long as a node uses the folder, and holds the node's process id."""
VOLUMES = "volumes"
"""The folder of the named volumes."""
