"""The control plane: from a topology file to running pods.

- `topology/` what a person declares: schema, parsing, errors with line and column.
- `plan.py`, `reconcile.py` pure cores: what should run, and the next steps towards it.
- `backends/` where pod nodes run.
- `cli/` one file per verb.

Talks to pod nodes through their gRPC contract only, and runs no guest itself.
"""
