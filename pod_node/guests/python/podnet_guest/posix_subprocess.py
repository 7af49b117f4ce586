"""The module `_posixsubprocess` of a guest."""

from podnet_guest.processes import fork_exec  # noqa: F401
