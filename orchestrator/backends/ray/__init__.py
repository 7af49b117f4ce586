"""Nodes on the machines of a Ray cluster.

- `actors.py` all that is asked of Ray, and nothing else.
- `joining.py` from a machine of the cluster to a node that answers.
- `backend.py` the whole, as the orchestrator sees it.
"""
