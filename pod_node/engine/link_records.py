"""Links as the kernel has them: parameters in fixed point, counters.

Owns the layout of `struct link_parameters` and `struct link_statistics`
(`vnet/fabric/paths/link.h`), and what numbers become of fractions and names there. Pure.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from vnet.configuration import Distribution
from vnet.statistics import LinkStatistics

if TYPE_CHECKING:
    from vnet.configuration import LinkParameters

_PARAMETERS = struct.Struct("<3Q12I")
_STATISTICS = struct.Struct("<10Q2I")
STATISTICS_SIZE = _STATISTICS.size

ALWAYS = 2**32 - 1
"""A probability of 1; others are in units of 2**-32."""

_DISTRIBUTIONS = {
    Distribution.UNIFORM: 0,
    Distribution.NORMAL: 1,
    Distribution.PARETO: 2,
    Distribution.PARETONORMAL: 3,
}


def probability(fraction: float) -> int:
    """Convert a fraction from 0 to 1; what is possible stays possible, however rare."""
    if fraction <= 0.0:
        return 0
    if fraction >= 1.0:
        return ALWAYS
    return min(max(round(fraction * 2**32), 1), ALWAYS - 1)


def link_number(name: str) -> int:
    """Return what stands for a link when luck is drawn: the same in every run."""
    return zlib.crc32(name.encode())


def pack_parameters(parameters: LinkParameters) -> bytes:
    """Convert one direction's parameters."""
    bursts = parameters.gilbert_elliott
    chain = (0, 0, 0, 0)
    if bursts is not None:
        chain = (
            probability(bursts.good_to_bad),
            probability(bursts.bad_to_good),
            probability(bursts.loss_in_bad),
            probability(bursts.loss_in_good),
        )
    return _PARAMETERS.pack(
        parameters.delay_ns,
        parameters.jitter_ns,
        parameters.rate_bit_s,
        _DISTRIBUTIONS[parameters.distribution],
        probability(parameters.loss),
        int(bursts is not None),
        *chain,
        probability(parameters.duplicate),
        probability(parameters.reorder),
        probability(parameters.corrupt),
        parameters.queue_packets,
        parameters.mtu_bytes,
    )


def unpack_statistics(record: memoryview, name: str, *, backward: bool) -> LinkStatistics:
    """Read one direction's counters."""
    (
        packets,
        size,
        lost,
        overflowed,
        cut,
        corrupted,
        oversized,
        unpaid,
        duplicated,
        reordered,
        queued,
        queued_most,
    ) = _STATISTICS.unpack_from(record)
    return LinkStatistics(
        link=name,
        backward=backward,
        packets=packets,
        bytes=size,
        lost_packets=lost,
        queue_full_packets=overflowed,
        cut_packets=cut,
        corrupted_packets=corrupted,
        too_large_packets=oversized,
        no_memory_packets=unpaid,
        duplicated_packets=duplicated,
        reordered_packets=reordered,
        queued_packets=queued,
        queued_most_packets=queued_most,
    )
