"""Whether one seed gives one sequence of decisions: what a link loses, doubles and delays.

A capture at both ends has the times of the simulation, so a delay is known to the nanosecond. In
the middle of a run the link is changed, as a schedule does. The second run has other traffic
beside it, which must make no difference.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from tests.bench.node import PodNode
from tests.bench.requests import FIRST_ADDRESS
from tests.bench.rows import Bound, Row
from tests.bench.scenes import Cell, scene_of
from vnet.capture import CaptureDirection, CapturedPacket
from vnet.capture.packet import read_headers
from vnet.configuration import Distribution, GilbertElliott, LinkParameters

MS = 1_000_000
SEED, OTHER_SEED = 7, 8
DATAGRAMS = 1500
BYTES = "100"
PHASES = (
    LinkParameters(
        delay_ns=10 * MS,
        jitter_ns=3 * MS,
        distribution=Distribution.NORMAL,
        loss=0.05,
        duplicate=0.05,
        reorder=0.05,
    ),
    LinkParameters(
        delay_ns=20 * MS,
        jitter_ns=10 * MS,
        gilbert_elliott=GilbertElliott(good_to_bad=0.05, bad_to_good=0.3),
    ),
)
NUMBER_AT = 14 + 20 + 8
"""In a frame: behind Ethernet, IPv4 and UDP."""

Fate = tuple[int, ...]
"""The delays of a datagram and its copies in nanoseconds; none when it was lost."""


def measure() -> list[Row]:
    first, again, other = _run(SEED, beside=0), _run(SEED, beside=1), _run(OTHER_SEED, beside=0)
    count = len(PHASES) * DATAGRAMS
    return [
        Row(
            name="packets with another fate in a second run of one seed",
            unit="",
            value=count - _alike(first, again),
            bound=Bound(0.0, at_least=False),
            note=f"of {count:,}: lost or not, doubled or not, delays to the nanosecond; a change "
            "of the link in between, other traffic beside the second run",
        ),
        Row(
            name="packets with the same fate under another seed",
            unit="%",
            value=100 * _alike(first, other) / count,
            bound=Bound(5.0, at_least=False),
            note="both lost, or both sent ahead, by chance",
        ),
    ]


def _alike(some: Sequence[Fate], others: Sequence[Fate]) -> int:
    return sum(one == other for one, other in zip(some, others, strict=True))


def _run(seed: int, *, beside: int) -> list[Fate]:
    """Return the fates of all datagrams of all phases, `beside` of so many more pairs."""
    count, fates = 1 + beside, list[Fate]()
    with PodNode() as node:
        for phase, link in enumerate(PHASES):
            booted = 2 * count * phase
            scene = scene_of([_cell(link)] * count, seed=seed, booted=booted)
            packets = node.capture_scene(scene)
            fates += _fates(packets, sender=FIRST_ADDRESS + booted + count)
    return fates


def _cell(link: LinkParameters) -> Cell:
    return Cell(
        link=link,
        server=("datagrams", "receive", "1"),
        client=("datagrams", "send", "{address}", "{port}", str(DATAGRAMS), BYTES, BYTES),
    )


def _fates(packets: Iterable[CapturedPacket], sender: IPv4Address) -> list[Fate]:
    sent: dict[int, int] = {}
    fates: list[Fate] = [()] * DATAGRAMS
    for packet in packets:
        headers = read_headers(packet)
        if headers is None or headers.source != sender:
            continue
        (number,) = struct.unpack_from("<I", packet.data, NUMBER_AT)
        if packet.direction is CaptureDirection.OUT:
            sent[number] = packet.time_ns
        else:
            fates[number] += (packet.time_ns - sent[number],)
    assert len(sent) == DATAGRAMS, "the capture has missed something"
    return fates
