"""The host's side of a fabric, for asyncio.

- `switch.py` what a fabric offers the host: descriptors, reads, writes, watches.
- `watches.py` one-shot watches, delivered to the event loop.
- `transport.py` an asyncio transport over a descriptor.
- `datagrams.py` an asyncio datagram transport over a descriptor.
- `endpoint.py` `open_connection` and `start_server`, as asyncio has them for real sockets.
"""

from vnet.host.endpoint import FabricServer, HostEndpoint
from vnet.host.switch import Switch
from vnet.host.watches import Event, Watches

__all__ = ["Event", "FabricServer", "HostEndpoint", "Switch", "Watches"]
