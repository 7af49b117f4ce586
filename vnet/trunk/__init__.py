"""Trunks between the nodes of a deployment: pods on different nodes talk as if they were on one.

- `frames.py` what two nodes say to each other, as values; `settings.py` what a node is told.
- `flow.py` one connection's windows; `session.py` the conversation of two nodes; `greeting.py` how
  they make sure of each other (all pure).
- `shares.py` what of a link's rate each node may have (pure); `sharing.py` takes it.
- `switch.py` what a fabric offers; `carrier.py` flows between it and a session.
- `stream.py` one gRPC stream, `outgoing.py` what it sends; `peer.py` streams that come and go,
  `back_off.py` how soon; `server.py` where nodes dial; `trunk.py` the whole of a node.
"""

from vnet.trunk.errors import TrunkError, TrunkSettingsError
from vnet.trunk.settings import (
    Certificates,
    PeerSpec,
    PeerStatus,
    RemoteInterface,
    TrunkSettings,
)
from vnet.trunk.switch import LinkSwitch, TrunkSwitch
from vnet.trunk.trunk import Trunk

__all__ = [
    "Certificates",
    "LinkSwitch",
    "PeerSpec",
    "PeerStatus",
    "RemoteInterface",
    "Trunk",
    "TrunkError",
    "TrunkSettings",
    "TrunkSettingsError",
    "TrunkSwitch",
]
