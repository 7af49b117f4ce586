"""The data plane: the virtual network between pods.

- `fabric/` the C switch: streams, listeners, names, wait queues, in memory shared by all kernels of
  a node.
- `host/` the host's own endpoint on a fabric, with asyncio's shapes.
- `addresses.py`, `ipam.py` pure cores; `configuration.py`, `statistics.py`, `egress.py`, `ping.py`
  values that others send and show.
- `edge/` portals: HTTP from the host into the network.

Knows nothing of guests, images or topologies.
"""
