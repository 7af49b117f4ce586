"""Between the messages of node.v1 and the package's own values, one module for each subject.

Both directions: the node reads requests and writes answers, a client of the node the other way
round. What comes in is checked here, once, and what is not fit to be a value is an
`InvalidMessageError` that names the field. Values of the network itself are `vnet.codec`'s.
"""

from pod_node.codec.attaching import (
    attach_event_from_message,
    attach_event_to_message,
    attach_order_from_message,
    attach_order_to_message,
    attach_step_to_message,
    attach_steps,
)
from pod_node.codec.capture import (
    batch_from_message,
    batch_to_message,
    capture_from_message,
    capture_to_message,
)
from pod_node.codec.dialling import (
    dial_from_message,
    dial_to_message,
    payloads,
    received_to_message,
)
from pod_node.codec.events import event_from_message, event_to_message
from pod_node.codec.executing import (
    exec_event_from_message,
    exec_event_to_message,
    exec_order_from_message,
    exec_order_to_message,
    exec_step_to_message,
    exec_steps,
)
from pod_node.codec.images import progress_from_message, progress_to_message
from pod_node.codec.logs import (
    lines_from_message,
    lines_to_message,
    wish_from_message,
    wish_to_message,
)
from pod_node.codec.network import (
    echo_from_message,
    echo_to_message,
    names_from_message,
    names_to_message,
    network_from_message,
    ping_from_message,
    ping_to_message,
    plan_from_message,
    plan_to_message,
)
from pod_node.codec.pods import (
    exit_from_message,
    exit_to_message,
    pod_from_message,
    pod_to_message,
)
from pod_node.codec.portals import (
    backends_from_message,
    backends_to_message,
    portal_from_message,
    portal_to_message,
)
from pod_node.codec.specs import POD_NAME, pod_spec_from_message, pod_spec_to_message
from pod_node.codec.statistics import usage_from_message, usage_to_message
from pod_node.codec.times import US

__all__ = [
    "POD_NAME",
    "US",
    "attach_event_from_message",
    "attach_event_to_message",
    "attach_order_from_message",
    "attach_order_to_message",
    "attach_step_to_message",
    "attach_steps",
    "backends_from_message",
    "backends_to_message",
    "batch_from_message",
    "batch_to_message",
    "capture_from_message",
    "capture_to_message",
    "dial_from_message",
    "dial_to_message",
    "echo_from_message",
    "echo_to_message",
    "event_from_message",
    "event_to_message",
    "exec_event_from_message",
    "exec_event_to_message",
    "exec_order_from_message",
    "exec_order_to_message",
    "exec_step_to_message",
    "exec_steps",
    "exit_from_message",
    "exit_to_message",
    "lines_from_message",
    "lines_to_message",
    "names_from_message",
    "names_to_message",
    "network_from_message",
    "payloads",
    "ping_from_message",
    "ping_to_message",
    "plan_from_message",
    "plan_to_message",
    "pod_from_message",
    "pod_spec_from_message",
    "pod_spec_to_message",
    "pod_to_message",
    "portal_from_message",
    "portal_to_message",
    "progress_from_message",
    "progress_to_message",
    "received_to_message",
    "usage_from_message",
    "usage_to_message",
    "wish_from_message",
    "wish_to_message",
]
