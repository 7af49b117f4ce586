"""The question how a running deployment is.

Loads what this question needs and no more: most commands ask nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.codec.client.connecting import ConnectedClient, errors
from orchestrator.codec.deployment import deployment_from_message
from protos.orchestrator.v1 import orchestrator_pb2 as pb
from protos.orchestrator.v1.orchestrator_pb2_grpc import DeploymentServiceStub

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.serving.access import RemoteAddress
    from orchestrator.views.deployment import DeploymentView


class DescribingClient(ConnectedClient):
    """Asks a running deployment how it is."""

    def __init__(self, where: Path | RemoteAddress) -> None:
        """Prepare to call; the connection comes with the first call.

        Raises:
            AccessError: a file with a token or a certificate cannot be used.
        """
        super().__init__(where)
        self._stub = DeploymentServiceStub(self._channel)

    async def describe(self) -> DeploymentView:
        """Say what runs."""
        with errors():
            return deployment_from_message(await self._stub.Describe(pb.DescribeRequest()))
