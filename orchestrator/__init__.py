"""The control plane: from a topology file to running pods.

- `topology/` what a person declares: schema, parsing, errors with line and column.
- `plan.py`, `lifecycle/` pure cores: what should run, and the next steps towards it.
- `launch/` the shell around them; `codec.py` its way to a pod node.
- `network.py` the network that a node applies, from `groups.py`, `routing.py`, `faults.py` and
  `policies.py`; `changes.py` what can be done to it at run time, `impairments.py` what comes of
  that; `schedule.py` changes that are declared.
- `graph/` pictures of a topology; `adjacency.py` and `names.py` what is found from where.
- `reachable.py` which names and portals lead to pods; `phases.py` where a pod is, in words.
- `state.py` the folder of a deployment; `backends/` where pod nodes run.
- `cli/` one file per verb.

Talks to pod nodes through their gRPC contract only, and runs no guest itself.
"""
