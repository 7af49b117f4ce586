"""The way out of a deployment to real networks.

- `rules.py` egress rules as text, and what they allow; `denied.py` what no rule but an explicit
  one allows; `synthetic.py` addresses that stand for names.
- `gate.py` the decisions, with limits (all of these are pure).
- `switch.py` what a fabric offers; `dial.py` real connections; `legs.py` moving bytes.
- `flow.py` one connect; `server.py` the gateway. What it reports are `vnet.egress`'s values.
"""

from vnet.gateway.dial import MachineResolver, Resolve
from vnet.gateway.errors import EgressRuleError
from vnet.gateway.flow import Resident
from vnet.gateway.rules import parse_rule
from vnet.gateway.server import Gateway
from vnet.gateway.switch import GatewaySwitch, OutsideConnect, OutsideLookup

__all__ = [
    "EgressRuleError",
    "Gateway",
    "GatewaySwitch",
    "MachineResolver",
    "OutsideConnect",
    "OutsideLookup",
    "Resident",
    "Resolve",
    "parse_rule",
]
