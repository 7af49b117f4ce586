"""Captures: packets as pcapng, and expressions that choose among them. Pure."""

from vnet.capture.expression import ExpressionError, Filter
from vnet.capture.packet import CaptureDirection, CapturedPacket, Outcome
from vnet.capture.place import CaptureBatch, CapturePlace, CaptureWish, InterfacePlace, LinkPlace
from vnet.capture.records import read_records
from vnet.capture.text import packet_line

__all__ = [
    "CaptureBatch",
    "CaptureDirection",
    "CapturePlace",
    "CaptureWish",
    "CapturedPacket",
    "ExpressionError",
    "Filter",
    "InterfacePlace",
    "LinkPlace",
    "Outcome",
    "packet_line",
    "read_records",
]
