"""What the node asks of whatever runs guests: the seam between the pods table and the engine.

Owns the two protocols only. The engine implements them with wasmtime and the fabric; tests
implement them with a script. Everything here is called on the event loop's thread, and every
callback arrives there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from pod_node.spec import PodExit, PodSpec

if TYPE_CHECKING:
    import asyncio
    from ipaddress import IPv4Address, IPv4Network

    from pod_node.executing import ProgramCall, WindowSize
    from pod_node.files import DiskBook, PodFolders
    from pod_node.images import CompiledImage
    from pod_node.terminal import Modes
    from pod_node.usage import PodUsage
    from vnet.capture import CaptureBatch, CapturePlace
    from vnet.configuration import NetworkConfiguration
    from vnet.egress import EgressHappening
    from vnet.ping import EchoResult
    from vnet.statistics import NetworkStatistics

OnOutput = Callable[[int, bytes], None]
"""Takes what a guest wrote: descriptor (1 or 2) and bytes, in any chunking."""
OnRunning = Callable[[float], None]
"""Takes the moment at which a guest was about to run its first instruction, by the loop's clock;
called at most once, before any output, and never for a guest that ended while it was linked."""
OnExit = Callable[[PodExit], None]
"""Takes the way a guest ended, exactly once, after its last output."""
OnDiskFull = Callable[[str, str], None]
"""Takes a pod's name and which of its own folders has no more room: told once in its life."""


class Pod(Protocol):
    """One booted guest."""

    @property
    def spec(self) -> PodSpec:
        """What the pod was booted from."""

    @property
    def input(self) -> ProcessInput:
        """What its main process is told; good until `on_exit`, then nothing happens."""

    def kill(self) -> None:
        """Ask the guest to end, and return at once; `on_exit` follows within 100 ms."""

    def signal(self, number: int) -> None:
        """Send its main process a signal.

        Raises:
            OSError: there is no such signal (EINVAL).
        """

    def exec(
        self,
        call: ProgramCall,
        on_output: OnOutput,
        on_exit: OnExit,
        window: WindowSize | None = None,
    ) -> Process:
        """Run another program in the pod, with a terminal if there is a window.

        Raises:
            OSError: it cannot be: no such program (ENOENT), too many processes (EAGAIN), no room.
        """

    def pause(self) -> None:
        """Stop the guest where it is, and return at once; its sockets stay. Repeating is idle."""

    def resume(self) -> None:
        """Let a paused guest go on."""

    def usage(self) -> PodUsage:
        """Say what the pod uses right now."""

    def disks(self) -> DiskBook:
        """What its root and its tmpfs have; good until `on_exit` and within it."""


class ProcessInput(Protocol):
    """What the node tells a process of a pod."""

    @property
    def pid(self) -> int:
        """Its number in the pod."""

    async def write(self, data: bytes) -> None:
        """Give it bytes to read; returns when all are taken, or when it reads no more."""

    def write_nowait(self, data: bytes) -> None:
        """Give it bytes to read; what finds no room is lost."""

    def type_end(self) -> None:
        """Let one read of its terminal find the end."""

    def modes(self) -> Modes:
        """Say how its terminal is to treat keys."""

    def resize(self, window: WindowSize) -> None:
        """Give its terminal's window another size."""

    def signal(self, number: int) -> None:
        """Send it and its descendants a signal; nothing happens when it has ended.

        Raises:
            OSError: there is no such signal (EINVAL).
        """


class Process(ProcessInput, Protocol):
    """A program that the node runs in a pod, beside the pod's own."""

    def end_input(self) -> None:
        """Let it read the end of its input."""

    def hold_output(self) -> None:
        """Pass on no output for now, so that it waits when its pipes are full."""

    def go_on_with_output(self) -> None:
        """Pass on output again."""

    def kill(self) -> None:
        """End it and its descendants at once; nothing happens when it has ended."""


class Endpoint(Protocol):
    """The host's own place in the fabric, from which portals and probes dial pods."""

    async def open_connection(
        self, address: str, port: int, *, timeout_s: float | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a pod, with the shapes and exceptions of `asyncio.open_connection`."""

    async def wait_for_listener(self, address: str, port: int) -> None:
        """Wait until a program listens on a port of a pod.

        Raises:
            OSError: there is no such pod, or there will be none.
        """


class Runtime(Protocol):
    """Runs guests and wires them to the fabric."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the host side dials from."""

    def boot(
        self,
        spec: PodSpec,
        image: CompiledImage,
        on_output: OnOutput,
        on_exit: OnExit,
        on_running: OnRunning | None = None,
        folders: PodFolders | None = None,
    ) -> Pod:
        """Start a guest on a thread of its own and return without waiting for it.

        Without `folders` it has no root: it sees its mounts and `/net` alone.
        """

    def attach_network(self, name: str, subnet: IPv4Network) -> None:
        """Declare a network before the first pod that has an interface on it."""

    def detach_network(self, name: str) -> None:
        """Take a network away that no pod has an interface on."""

    def publish(self, network: str, names: Mapping[str, Sequence[IPv4Address]]) -> None:
        """Replace all names that pods on `network` can look up."""

    def configure_network(self, configuration: NetworkConfiguration) -> None:
        """Replace links, routes, faults and policies; what does not differ goes on undisturbed.

        Raises:
            PodNodeError: it cannot be applied; the one before stays.
        """

    def network_statistics(self, *, flows: bool) -> NetworkStatistics:
        """Read the network's counters; with `flows`, every socket too."""

    async def ping(
        self,
        source: IPv4Address,
        target: IPv4Address,
        *,
        sequence: int,
        payload_bytes: int,
        timeout_s: float,
    ) -> EchoResult:
        """Send one echo request from one interface to another and wait for what becomes of it."""

    def capture(
        self, place: CapturePlace, *, snapshot_bytes: int
    ) -> AsyncGenerator[CaptureBatch, None]:
        """Report packets as they pass a place, with at most so many bytes of each; 0 keeps all.

        Raises:
            PodNodeError: there is no such place, or too many are looked at.
        """

    def report_egress(self, report: Callable[[EgressHappening], None]) -> None:
        """Tell `report` from now on what happens to whoever leaves the network."""

    def report_full_disks(self, report: OnDiskFull) -> None:
        """Tell `report` from now on which pods have no more room for their files."""

    async def close(self) -> None:
        """Kill every guest, join its thread and give the fabric back."""
