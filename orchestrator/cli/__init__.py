"""The `podnet` command.

- `main.py` the entry: finds a verb's module only when the verb is used.
- one file per verb: `up.py`, `ps.py`, `validate.py`, `image.py`; each has one attribute `command`.
- `screen.py`, `printer.py`, `pictures.py` what `up` shows, and how it gets to a terminal or a pipe.
"""
