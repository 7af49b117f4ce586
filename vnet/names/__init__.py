"""The name service of a deployment's networks, for programs with a resolver of their own.

- `directory.py` which names lead where, as they were published.
- `answers.py` a DNS query in, an answer out (both are pure).
- `server.py` serves a network's gateway address, port 53.
"""

from vnet.names.answers import Answerer, Transport, Zone
from vnet.names.directory import Directory
from vnet.names.server import NameServer

__all__ = ["Answerer", "Directory", "NameServer", "Transport", "Zone"]
