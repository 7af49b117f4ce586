"""The way to a running deployment, and the question how it is.

Loads what this question needs and no more: most commands ask nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from orchestrator.codec.calls import open_channel, translated
from orchestrator.codec.deployment import deployment_from_message
from orchestrator.codec.errors import DeploymentLostError, DeploymentRefusedError
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceStub

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from orchestrator.serving.access import RemoteAddress
    from orchestrator.views.deployment import DeploymentView


class DescribingClient:
    """One connection to one running deployment."""

    def __init__(self, where: Path | RemoteAddress) -> None:
        """Prepare to call; the connection comes with the first call.

        Raises:
            AccessError: a file with a token or a certificate cannot be used.
        """
        self._channel = open_channel(where)
        self._stub = DeploymentServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def describe(self) -> DeploymentView:
        """Say what runs."""
        with errors():
            return deployment_from_message(await self._stub.Describe(pb.DescribeRequest()))


def errors() -> AbstractContextManager[None]:
    """Turn failed calls into errors of ours."""
    return translated(DeploymentRefusedError, DeploymentLostError)
