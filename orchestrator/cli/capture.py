"""`podnet capture`: packets as they pass a pod or a link, as lines or as pcapng.

Owns the verb's options, where packets are written, and the summary at the end.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack, aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from orchestrator.cli.reaching import reaching
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.cli.reaching import Reach
    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import CaptureOrder, DeploymentView, LinkAim, PodAim
    from vnet.capture import CaptureBatch, CapturedPacket

_SNAPLEN_MOST = 65_549
_STANDARD_OUTPUT = "-"


class CaptureFileError(OrchestratorError):
    """The file for the packets cannot be written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.reason}"


@click.command("capture", short_help="Show or record packets of a pod or a link.")
@click.argument("first", metavar="SERVICE|POD|A")
@click.argument("second", metavar="[B]", required=False)
@click.option(
    "-w",
    "path",
    metavar="FILE",
    help='Write pcapng, to standard output for "-": podnet capture api -w - | wireshark -k -i -',
)
@click.option(
    "--filter",
    "expression",
    default="",
    metavar="EXPR",
    help='Only packets that match, for example "tcp port 80 and host api"; see pcap-filter(7).',
)
@click.option(
    "-s",
    "--snaplen",
    type=click.IntRange(0, _SNAPLEN_MOST),
    default=0,
    metavar="BYTES",
    help="Keep so many bytes of each packet; 0 keeps all.",
)
@click.option("-c", "count", type=click.IntRange(1), metavar="N", help="Stop after N packets.")
@click.option("-n", "--network", metavar="NAME", help="Where a pod, or the two, have several.")
@reaching
def command(
    reach: Reach,
    first: str,
    second: str | None,
    path: str | None,
    expression: str,
    snaplen: int,
    count: int | None,
    network: str | None,
) -> None:
    """Show packets of a service's pods or of one pod, or those that cross the link from A to B.

    Goes on until Ctrl-C or -c. Without -w, packets are shown a line each: ">" goes out of the pod,
    or from A to B, "<" the other way. A link also shows what it drops, and why.
    """
    if path == _STANDARD_OUTPUT and sys.stdout.isatty():
        raise click.UsageError("pcapng is not for terminals; pipe it on, or give -w a file")
    orders = _Orders(first, second, network, expression, snaplen, count)
    try:
        with ExitStack() as stack:
            sink = _sink(path, expression, snaplen, stack)
            try:
                reach.follow(lambda client: _capture(client, orders, sink))
            finally:
                if sink.begun:
                    sink.finish()
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has gone; there is nobody to tell


class _Orders:
    """What to ask the deployment for."""

    def __init__(
        self,
        first: str,
        second: str | None,
        network: str | None,
        expression: str,
        snaplen: int,
        count: int | None,
    ) -> None:
        self._first, self._second, self._network = first, second, network
        self._expression, self._snaplen = expression, snaplen
        self.count = count

    def of(self, view: DeploymentView) -> dict[str, CaptureOrder]:
        """Orders by the names of their places: one for a link, one for each pod that is chosen.

        Raises:
            UnknownNameError: no service or pod has the name.
        """
        from orchestrator.cli.selection import Selection
        from orchestrator.views.deployment import LinkAim, PodAim

        if self._second is not None:
            aim = LinkAim(first=self._first, second=self._second, network=self._network)
            return {f"{self._first}--{self._second}": self._order(aim)}
        pods = [pod.spec.name for pod in Selection(view, (), self._first).pods]
        return {pod: self._order(PodAim(pod=pod, network=self._network)) for pod in pods}

    def _order(self, aim: PodAim | LinkAim) -> CaptureOrder:
        from orchestrator.views.deployment import CaptureOrder

        return CaptureOrder(
            aim=aim,
            filter=self._expression,
            snapshot_bytes=self._snaplen,
            count=self.count or 0,
        )


async def _capture(client: DeploymentClient, orders: _Orders, sink: _Sink) -> None:
    """Follow all places until each has ended, or there are as many packets as wanted."""
    places = orders.of(await client.describe())
    sink.begin(list(places))
    with suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
        try:
            async with asyncio.TaskGroup() as group:
                for number, order in enumerate(places.values()):
                    group.create_task(_follow(client, order, number, sink, orders.count))
        except* _EnoughError:
            pass
        except* OrchestratorError as errors:
            raise errors.exceptions[0] from None


class _EnoughError(Exception):
    """There are as many packets as wanted."""


async def _follow(
    client: DeploymentClient, order: CaptureOrder, place: int, sink: _Sink, count: int | None
) -> None:
    async with aclosing(client.capture(order)) as batches:
        async for batch in batches:
            sink.take(place, batch, None if count is None else count - sink.packets)
            if count is not None and sink.packets >= count:
                raise _EnoughError


def _sink(path: str | None, expression: str, snaplen: int, stack: ExitStack) -> _Sink:
    if path is None:
        return _Lines()
    if path == _STANDARD_OUTPUT:
        return _File(sys.stdout.buffer, expression, snaplen)
    try:
        file = stack.enter_context(Path(path).open("wb"))  # noqa: SIM115  # the stack closes it
    except OSError as error:
        raise CaptureFileError(path, error.strerror or str(error)) from error
    return _File(file, expression, snaplen)


class _Sink:
    """Where packets go."""

    def __init__(self) -> None:
        self.begun = False
        self.packets = 0
        self.lost = 0

    def begin(self, places: Sequence[str]) -> None:
        """Learn the places, in the order of their numbers."""
        self.begun = True
        click.echo(f"capturing at {', '.join(places)}; Ctrl-C ends it", err=True)

    def take(self, place: int, batch: CaptureBatch, most: int | None) -> None:
        """Take what passed a place, `most` packets of it."""
        chosen = batch.packets[:most]
        self.packets += len(chosen)
        self.lost += batch.lost
        for packet in chosen:
            self.write(place, packet)
        self.flush()

    def write(self, place: int, packet: CapturedPacket) -> None:
        """Take one packet."""
        raise NotImplementedError

    def flush(self) -> None:
        """Let readers see what was written."""

    def finish(self) -> None:
        """Sum up."""
        from orchestrator.topology.render import count

        text = f"{count(self.packets, 'packet')} captured"
        if self.lost:
            text += f", {self.lost} dropped because they were not read in time"
        click.echo(text, err=True)


class _Lines(_Sink):
    """Standard output, for people."""

    def begin(self, places: Sequence[str]) -> None:
        super().begin(places)
        width = max(map(len, places))
        self._names = [f"{name:<{width}} " if len(places) > 1 else "" for name in places]
        self._zone = datetime.now(UTC).astimezone().tzinfo

    def write(self, place: int, packet: CapturedPacket) -> None:
        from vnet.capture import packet_line

        click.echo(self._names[place] + packet_line(packet, self._zone))


class _File(_Sink):
    """A pcapng file, or a pipe to somebody who reads it."""

    def __init__(self, file: IO[bytes], expression: str, snaplen: int) -> None:
        super().__init__()
        self._file = file
        self._expression, self._snaplen = expression, snaplen
        self._counts: list[list[int]] = []

    def begin(self, places: Sequence[str]) -> None:
        from vnet.capture import pcapng

        super().begin(places)
        self._file.write(pcapng.section())
        for name in places:
            self._file.write(
                pcapng.interface(name, snaplen=self._snaplen, expression=self._expression)
            )
            self._counts.append([0, 0])
        self.flush()

    def take(self, place: int, batch: CaptureBatch, most: int | None) -> None:
        self._counts[place][1] += batch.lost
        super().take(place, batch, most)

    def write(self, place: int, packet: CapturedPacket) -> None:
        from vnet.capture import pcapng

        self._counts[place][0] += 1
        self._file.write(pcapng.packet_block(packet, place))

    def flush(self) -> None:
        self._file.flush()

    def finish(self) -> None:
        from vnet.capture import pcapng

        for place, (received, dropped) in enumerate(self._counts):
            self._file.write(
                pcapng.statistics(
                    time.time_ns(), place, received=received + dropped, dropped=dropped
                )
            )
        self.flush()
        super().finish()
