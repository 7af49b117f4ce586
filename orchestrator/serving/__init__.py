"""The gRPC face of a running deployment: messages in, messages out.

- `service.py` the server, and what changes the network; `declaring.py` what is to run,
  `observing.py` what is looked at, `copying.py` files, `nodes_service.py` nodes.
- `executing.py` programs in pods, `reading.py` logs and connections, for those.
- `remote.py` the same over TCP; `access.py` who is let in, `attempts.py` how often.
"""
