"""The way to a running deployment: orchestrator.v1 with our own values on both sides.

Owns the client as a whole; its calls are in `client/`. Decides nothing and keeps no state.
"""

from __future__ import annotations

from orchestrator.codec.client.declaring import DeclaringClient
from orchestrator.codec.client.network import NetworkClient
from orchestrator.codec.client.observing import ObservingClient
from orchestrator.codec.client.pods import PodsClient


class DeploymentClient(DeclaringClient, NetworkClient, PodsClient, ObservingClient):
    """One connection to one running deployment."""
