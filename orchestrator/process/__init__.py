"""The orchestrator as a process: begun, hosted, looked for, ended.

- `background.py` its arguments and its lock; `hosting.py` its event loop and signals.
- `spawning.py` started from outside; `ending.py` a deployment ended from outside.
- `looking_ahead.py` what would be done while none runs.
"""
