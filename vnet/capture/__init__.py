"""Captures: packets as pcapng, and expressions that choose among them. Pure."""

from vnet.capture.expression import ExpressionError, Filter
from vnet.capture.packet import CaptureDirection, CapturedPacket, Outcome
from vnet.capture.pcapng import PcapngWriter

__all__ = [
    "CaptureDirection",
    "CapturedPacket",
    "ExpressionError",
    "Filter",
    "Outcome",
    "PcapngWriter",
]
