"""What partitions and holds do to links, in words.

Owns how the groups of faults meet the ends of a link: whether all of its pods are kept from each
other, or some. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnet.configuration import FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.network.faults import FaultState

_WORDS = {FaultKind.CUT: "cut", FaultKind.HOLD: "held"}


def barrier_text(
    sources: Sequence[str], targets: Sequence[str], faults: Sequence[FaultState]
) -> str:
    """Say what faults do to packets from some pods to others: `cut`, `partly held`, or nothing.

    Args:
        sources: Names of the pods that send.
        targets: Names of those that they send to.
        faults: The partitions and holds that there are now.
    """
    texts: list[str] = []
    for kind, word in _WORDS.items():
        pairs = concerned = 0
        for source in sources:
            others = {target for target in targets if target != source}
            unreached = {pod for f in faults if f.kind is kind for pod in _unreached(source, f)}
            pairs += len(others)
            concerned += len(others & unreached)
        if concerned:
            texts.append(word if concerned == pairs else f"partly {word}")
    return ", ".join(texts)


def _unreached(source: str, fault: FaultState) -> Iterator[str]:
    """The pods that packets of this one do not get to."""
    for index, group in enumerate(fault.pods):
        if source in group and not (fault.oneway and index):
            yield from (pod for other in fault.pods if other is not group for pod in other)
