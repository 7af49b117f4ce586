"""The edge: portals, which open chosen ports of services to programs outside the virtual network.

- `table`: which portals are open, under which names, with which replicas (pure)
- `server`, `session`, `exchange`, `splice`: the HTTP/1.1 reverse proxy
- `client`, `upstream`: one connection on either side
- `syntax`, `heads`, `framing`, `forward`, `pages`: HTTP itself (pure)
- `limits`, `errors`: bounds and what can go wrong
"""

from vnet.edge.errors import MalformedLabelError, PortInUseError, PortNotAllowedError
from vnet.edge.limits import PortalLimits
from vnet.edge.server import PortalServer, PortalServerStatistics
from vnet.edge.table import Backend, Portal, PortalCounters, PortalTable
from vnet.edge.upstream import Dial

__all__ = [
    "Backend",
    "Dial",
    "MalformedLabelError",
    "PortInUseError",
    "PortNotAllowedError",
    "Portal",
    "PortalCounters",
    "PortalLimits",
    "PortalServer",
    "PortalServerStatistics",
    "PortalTable",
]
