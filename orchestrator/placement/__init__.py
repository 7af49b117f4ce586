"""Which pod runs on which node. Pure.

- `values.py` what nodes offer, what pods ask for, what was decided.
- `demands.py` from a topology to what its pods ask for, and who talks to whom.
- `rules.py` whether a pod may be on a node, and if not, why.
- `ledger.py` what is on each node so far.
- `measured.py` who talked to whom, and how much.
- `place.py` the decision; `cut.py` what it costs between nodes.
"""

from orchestrator.placement.cut import cut_of
from orchestrator.placement.demands import demands_of, placing_of, service_rules, traffic_of
from orchestrator.placement.errors import NoRoomError
from orchestrator.placement.measured import (
    MeasuredTraffic,
    edges,
    measured_weights,
    with_measured,
)
from orchestrator.placement.place import place
from orchestrator.placement.values import (
    CutEdge,
    Demand,
    NodeOffer,
    Obstacle,
    Placed,
    Placement,
    Placing,
    Reason,
    ServiceRules,
    Traffic,
    TrafficEdge,
    Unplaced,
)

__all__ = [
    "CutEdge",
    "Demand",
    "MeasuredTraffic",
    "NoRoomError",
    "NodeOffer",
    "Obstacle",
    "Placed",
    "Placement",
    "Placing",
    "Reason",
    "ServiceRules",
    "Traffic",
    "TrafficEdge",
    "Unplaced",
    "cut_of",
    "demands_of",
    "edges",
    "measured_weights",
    "place",
    "placing_of",
    "service_rules",
    "traffic_of",
    "with_measured",
]
