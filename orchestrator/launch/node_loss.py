"""Why a node does not answer any more; one that lives after all is ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from orchestrator.backends.backend import NodeDiedError

if TYPE_CHECKING:
    from orchestrator.backends.backend import Backend
    from orchestrator.codec import NodeLostError

LAST_WORDS_S = 2.0
"""How long to wait for the end of a node that stopped answering."""


async def find_cause(backend: Backend, lost: NodeLostError | NodeDiedError) -> str:
    """Find out why the node does not answer, and see to it that it has ended."""
    if isinstance(lost, NodeDiedError):
        return lost.summary
    try:
        async with asyncio.timeout(LAST_WORDS_S):
            return (await backend.death()).summary
    except TimeoutError:
        await backend.end()
        return f"node lost (it did not answer any more: {lost})"
