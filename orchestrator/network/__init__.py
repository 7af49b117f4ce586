"""What a deployment's virtual network is like: from what is declared, and what was changed since.

- `configuration.py`: the whole of it, as a node applies it, from `groups.py`, `routing.py`,
  `faults.py` and `policies.py`
- `adjacency.py`: which networks routers join
- `changes.py`: what can be changed at run time; `impairments.py`: what was; `schedule.py`: what
  will be, by the topology
- `shaping.py`: the network of a running deployment, kept so on its node

All pure but `shaping.py`.
"""
