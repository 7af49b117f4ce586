"""A deployment on several nodes, as if they were one.

- `values.py` machines, node processes and what becomes of them.
- `leases.py` who may run pods until when (pure); `keeper.py` the one place that grants it.
- `supervisor.py` one node process on one machine: started, kept alive by leases, watched.
- `certificates.py` who obeys whom.
- `fleet.py` all nodes behind the calls of one; `member.py` one of them, `merging.py` their streams.

Where machines come from is a backend's business; nothing here knows Ray.
"""
