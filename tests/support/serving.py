"""A pod node served over a real unix socket, with guests under a test's control."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grpc import aio

from orchestrator.backends.backend import NodeDiedError
from orchestrator.codec import NodeClient
from pod_node.files import Roots
from pod_node.images import CompiledImage, ImageError
from pod_node.node import Node
from pod_node.progress import OnProgress, Phase, Progress
from pod_node.service import PodNodeService, create_server
from pod_node.shelf import ImageShelf
from protos.node.v1.node_pb2_grpc import PodNodeServiceStub
from tests.support.pods import FakeRuntime, python_image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from protos.node.v1.node_pb2_grpc import PodNodeServiceAsyncStub


class MissingImageError(ImageError):
    """An image that a test's library does not have."""

    def __str__(self) -> str:
        return f"image {self.args[0]}: no source could give its module"


class FakeLibrary:
    """Has every image but `missing`; `gate` holds up preparations while it is not set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.prepared: list[str] = []
        self.cancelled: list[str] = []

    def prepare(self, reference: str, on_progress: OnProgress) -> CompiledImage:
        on_progress(Progress(image=reference, phase=Phase.FETCHING, source="pypi:x==1#y"))
        self.gate.wait()
        if reference == "missing":
            raise MissingImageError(reference)
        try:
            on_progress(Progress(image=reference, phase=Phase.COMPILING, total_bytes=10))
            on_progress(Progress(image=reference, phase=Phase.READY, elapsed_s=1.5))
        except Exception:
            self.cancelled.append(reference)
            raise
        self.prepared.append(reference)
        return replace(python_image(), reference=reference)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="pn") as folder:
        yield Path(folder)


@dataclass
class ServedNode:
    """A node and a way to it."""

    client: NodeClient
    runtime: FakeRuntime
    library: FakeLibrary
    node: Node
    server: aio.Server
    stub: PodNodeServiceAsyncStub
    """For the calls of which the client makes no use yet."""
    socket: Path


@asynccontextmanager
async def served_node(runtime: FakeRuntime | None = None) -> AsyncIterator[ServedNode]:
    runtime = runtime or FakeRuntime()
    library = FakeLibrary()
    shelf = ImageShelf(library)
    with short_folder() as folder:
        async with Node(runtime, shelf, folder / "logs", Roots(folder)) as node:
            server = create_server(PodNodeService(node, shelf, lambda: (1000, 10)))
            socket = folder / "node.sock"
            server.add_insecure_port(f"unix:{socket}")
            await server.start()
            try:
                async with (
                    NodeClient(socket) as client,
                    aio.insecure_channel(f"unix:{socket}") as channel,
                ):
                    stub = PodNodeServiceStub(channel)
                    yield ServedNode(client, runtime, library, node, server, stub, socket)
            finally:
                library.gate.set()
                await server.stop(grace=None)


class ServedBackend:
    """A backend whose node lives in the test's own process."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime
        self._stack = AsyncExitStack()
        self.served: ServedNode | None = None
        self.starts = 0
        self.killed = False

    @property
    def pid(self) -> int:
        return 0 if self.served is None else os.getpid()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[NodeClient]:
        if self.served is None:
            self.starts += 1
            self.served = await self._stack.enter_async_context(served_node(self._runtime))
        yield self.served.client

    async def end(self) -> None:
        self.served = None
        await self._stack.aclose()

    async def death(self) -> NodeDiedError:
        await self.end()
        return NodeDiedError("signal SIGSEGV", "/state/node.log", ("Fatal Python error",))

    def kill(self) -> None:
        self.killed = True
