"""Where pod nodes run.

- `backend.py` what every backend offers: a node while a block lasts.
- `embedded.py` a process on this machine, child of the command that needs it.
"""
