"""Where pod nodes run.

- `backend.py` what every backend offers: a node while a block lasts.
- `starting.py`, `processes.py` its process: started ahead, found, ended.
- `embedded.py` a process on this machine, child of the command that needs it.
"""
