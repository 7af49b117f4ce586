"""The control plane: from a topology file to running pods.

- `topology/` what a person declares: schema, parsing, errors with line and column.
- `plan.py`, `lifecycle/` pure cores: what should run, and the next steps towards it.
- `launch/` the shell around them; `codec.py` its way to a pod node.
- `orchestration/` one deployment's orchestrator; `control.py` what can be done to it as it runs.
- `network/` the network that a node applies, and changes to it.
- `graph/` pictures of a topology; `names.py` what is found from where.
- `reachable.py` which names and portals lead to pods; `phases.py` where a pod is, in words.
- `state.py` the folder of a deployment; `backends/` where pod nodes run.
- `cli/` one file per verb.

Talks to pod nodes through their gRPC contract only, and runs no guest itself.
"""
