"""Between the messages of vnet.v1 and the package's own values.

- `configuration.py` links, routes, faults and policies, alone and as a whole.
- `egress.py` what may leave the network, and what did; `ports.py` ranges of ports.
- `statistics.py` counters.
- `capture.py` captured packets.
- `fields.py` what every codec checks: addresses, ports, fractions, names.

What comes in is checked here, once; what is not fit to be a value is an `InvalidMessageError` that
names the field.
"""

from vnet.codec.capture import packet_from_message, packet_to_message
from vnet.codec.configuration import (
    configuration_from_message,
    configuration_to_message,
    link_from_message,
    link_to_message,
)
from vnet.codec.egress import (
    attempt_from_message,
    attempt_to_message,
    ended_from_message,
    ended_to_message,
)
from vnet.codec.statistics import statistics_from_message, statistics_to_message

__all__ = [
    "attempt_from_message",
    "attempt_to_message",
    "configuration_from_message",
    "configuration_to_message",
    "ended_from_message",
    "ended_to_message",
    "link_from_message",
    "link_to_message",
    "packet_from_message",
    "packet_to_message",
    "statistics_from_message",
    "statistics_to_message",
]
