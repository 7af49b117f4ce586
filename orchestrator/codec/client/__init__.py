"""The client of a running deployment, by subject: each method is one call of orchestrator.v1.

- `connecting.py` the connection, `describing.py` how the deployment is
- `declaring.py` what is to run, `pods.py` single pods, `network.py` their network
- `observing.py` logs, events, portals
"""
