"""Links and faults of a running deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from orchestrator.network.changes import Mend, Part, ResetLink, SetLink
from orchestrator.topology.values import LinkDirection
from podnet.errors import RefusedError, translated
from podnet.records import seconds, seconds_or_none
from vnet.configuration import FaultKind

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import TracebackType

    from orchestrator.codec import DeploymentClient
    from orchestrator.views.deployment import FaultView, LinkView
    from podnet.records import Duration


class Link:
    """The link between two services or pods, whether the topology declares it or not."""

    def __init__(
        self, client: DeploymentClient, first: str, second: str, network: str | None
    ) -> None:
        self._client = client
        self.first, self.second, self.network = first, second, network

    async def set(
        self, *, direction: str = "both", duration: Duration | None = None, **parameters: object
    ) -> LinkView:
        """Change parameters; packets sent from now on meet them, and what is not given stays.

        Args:
            direction: `both`, `forward` (from the first to the second) or `backward`.
            duration: After what time to take the change back; None is never.
            parameters: As in a topology's `links`, for example `delay="20ms"`, `jitter="5ms"`,
                `loss="1%"`, `rate="10mbit"`, `limit=100`, `mtu=1400`, `duplicate="1%"`,
                `reorder="1%"`, `corrupt="0.1%"`, `gemodel="1% 10%"`. 0 switches one off.

        Raises:
            RefusedError: a parameter makes no sense, or the two share no network.
        """
        from orchestrator.topology.link_options import parse_change

        given = {name: str(value) for name, value in parameters.items() if value is not None}
        if not given:
            raise RefusedError('nothing to change; give for example delay="20ms"')
        with translated():
            wanted = SetLink(
                first=self.first,
                second=self.second,
                network=self.network,
                change=parse_change(given),
                direction=_direction(direction),
                duration_s=seconds_or_none(duration),
            )
            return await self._client.set_link(wanted)

    async def reset(self) -> None:
        """Make it what the topology says."""
        wanted = ResetLink(first=self.first, second=self.second, network=self.network)
        with translated():
            await self._client.reset_links(wanted)

    async def show(self) -> LinkView | None:
        """Say what it is like now; None when packets pass at once and unharmed."""
        with translated():
            links = await self._client.link(self.first, self.second, self.network)
        return links[0] if links else None


class Fault:
    """A partition or a hold: `await` it to begin, or use it for the time of a block.

    await shop.partition(["web"], ["api"])
    async with shop.partition(["web"], ["api"]): ...
    """

    def __init__(
        self,
        client: DeploymentClient,
        kind: FaultKind,
        sides: Iterable[str | Iterable[str]],
        *,
        duration: Duration | None,
        one_way: bool,
        name: str | None,
    ) -> None:
        groups = tuple((side,) if isinstance(side, str) else tuple(side) for side in sides)
        if len(groups) < 2 or not all(groups):
            raise RefusedError('needs two sides, for example ["web"], ["api", "store"]')
        self._client = client
        self._wanted = Part(
            kind=kind,
            groups=groups,
            oneway=one_way,
            name=name,
            duration_s=None if duration is None else seconds(duration),
        )
        self._begun: FaultView | None = None

    @property
    def name(self) -> str:
        """What it is called, once it has begun."""
        if self._begun is None:
            raise RefusedError("the fault has not begun; await it, or use it in an async with")
        return self._begun.name

    def __await__(self) -> Generator[object, None, Self]:
        return self._begin().__await__()

    async def __aenter__(self) -> Self:
        return await self._begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._begun is not None and self._wanted.duration_s is None:
            await self.end()

    async def end(self) -> None:
        """Heal the partition, or let the held packets go."""
        with translated():
            await self._client.mend(Mend(kind=self._wanted.kind, name=self.name))

    async def _begin(self) -> Self:
        with translated():
            self._begun = await self._client.part(self._wanted)
        return self


def _direction(word: str) -> LinkDirection:
    try:
        return LinkDirection(word)
    except ValueError as error:
        words = ", ".join(direction.value for direction in LinkDirection)
        raise RefusedError(f'there is no direction "{word}"; there are: {words}') from error
