"""The trunks of a node: the listener, one link to each other node, and who is where.

Owns the three descriptors that tell what pods say to pods elsewhere, and hands it to the link of
the node that has the target.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vnet.host import Event
from vnet.tasks import TaskOwner
from vnet.trunk.errors import PeerRefusedError, TrunkSettingsError
from vnet.trunk.frames import Asked, Packet, Reason
from vnet.trunk.peer import GREETING_S, PeerLink
from vnet.trunk.server import Context, TrunkServer, check_certificate, open_channel
from vnet.trunk.settings import (
    PeerSpec,
    PeerStatus,
    RemoteInterface,
    TrunkSettings,
    check_settings,
    find_owners,
)
from vnet.trunk.sharing import LinkSharing
from vnet.trunk.stream import Identity, listen_greeting

if TYPE_CHECKING:
    from vnet.host import Watches
    from vnet.trunk.switch import LinkSwitch, TrunkDescriptors, TrunkSwitch

BATCH = 256
"""Records, connects and connections that are taken in one turn of the loop."""
SOCKETS_MOST = 1 << 17


class Trunk:
    """All trunks of one node; closed until `open`."""

    def __init__(
        self, switch: TrunkSwitch, links: LinkSwitch, watches: Watches, fabric_bytes: int
    ) -> None:
        """Prepare.

        Args:
            switch: The fabric.
            links: Its links, which nodes share.
            watches: Tells what is to be taken from it.
            fabric_bytes: Its size; what comes from elsewhere may take a quarter.
        """
        self._switch = switch
        self._watches = watches
        self._byte_limit = fabric_bytes // 4
        self._settings: TrunkSettings | None = None
        self._descriptors: TrunkDescriptors | None = None
        self._server: TrunkServer | None = None
        self._links: dict[str, PeerLink] = {}
        self._owners: dict[int, str] = {}
        self._attached: dict[int, RemoteInterface] = {}
        self._address = ""
        self._leaving = TaskOwner()
        self.sharing = LinkSharing(links, self._links)

    async def open(self, settings: TrunkSettings) -> str:
        """Listen for other nodes; where.

        Opening it again with the same settings changes nothing.

        Raises:
            TrunkSettingsError: It cannot be, or is open with others.
        """
        if self._settings is not None:
            if settings != self._settings:
                raise TrunkSettingsError("it has one already, with other settings")
            return self._address
        check_settings(settings)
        self._server = TrunkServer(settings, self._attend)
        self._address = await self._server.start()
        self._settings = settings
        self._descriptors = self._switch.open_trunk(self._byte_limit, SOCKETS_MOST)
        self._watch_all(self._descriptors)
        self.sharing.start()
        return self._address

    def set_peers(self, peers: Sequence[PeerSpec]) -> None:
        """Have these other nodes, and their pods at these addresses.

        Raises:
            TrunkSettingsError: There is no trunk, or two nodes have the same name or address.
        """
        settings = self._settings
        if settings is None:
            raise TrunkSettingsError("it was not opened; open it before it gets peers")
        owners = find_owners(settings.node, peers)
        self._move(owners, {int(i.address): i for peer in peers for i in peer.interfaces})
        named = {peer.name: peer for peer in peers}
        gone = [self._links.pop(name) for name in list(self._links) if name not in named]
        for name, spec in named.items():
            if name in self._links:
                self._links[name].redial(spec)
            else:
                self._links[name] = self._link(spec, settings)
                self._links[name].start()
        for link in gone:
            self._leaving.spawn(link.close(), f"end of the trunk to {link.spec.name}")

    def _move(self, owners: dict[int, str], interfaces: dict[int, RemoteInterface]) -> None:
        """Change who has which address; flows of those that somebody else has now end."""
        for address, interface in list(self._attached.items()):
            if interfaces.get(address) != interface or owners[address] != self._owners[address]:
                self._detach(address)
        self._owners = owners
        for address, interface in interfaces.items():
            if address not in self._attached:
                self._attach(address, interface)

    def _detach(self, address: int) -> None:
        link = self._links.get(self._owners[address])
        if link is not None:
            link.carrier.reset_all(lambda ends: address in (ends.source, ends.target))
        self._switch.detach_remote(address)
        del self._attached[address]

    def _attach(self, address: int, interface: RemoteInterface) -> None:
        try:
            self._switch.attach_remote(interface.network, address, interface.prefix)
        except OSError as error:
            reason = f"{interface.address} cannot be on another node: {error.strerror}"
            raise TrunkSettingsError(reason) from error
        self._attached[address] = interface

    def _link(self, spec: PeerSpec, settings: TrunkSettings) -> PeerLink:
        return PeerLink(
            spec,
            Identity(deployment=settings.deployment, node=settings.node, token=settings.token),
            self._switch,
            self._watches,
            lambda peer: open_channel(peer, settings),
            is_owner=self._is_owner,
            hear=self.sharing.hear,
            outage_s=settings.outage_s,
        )

    def _is_owner(self, node: str, address: int) -> bool:
        """Whether pods of a node may speak from an address; gateway addresses are every node's."""
        return self._owners.get(address, node) == node

    @property
    def statuses(self) -> list[PeerStatus]:
        """What is known of each other node."""
        return [link.status for link in self._links.values()]

    async def close(self) -> None:
        """End every flow and stream."""
        await self.sharing.stop()
        for link in self._links.values():
            self._leaving.spawn(link.close(), f"end of the trunk to {link.spec.name}")
        await self._leaving.wait()
        self._links.clear()
        if self._server is not None:
            await self._server.stop()
            self._server = None
        if self._descriptors is not None:
            for descriptor in self._descriptors:
                self._watches.forget(descriptor)
            self._switch.close_trunk(self._descriptors)
            self._descriptors = None

    async def _attend(self, context: Context) -> None:
        """Serve a stream that another node has dialled.

        Raises:
            PeerRefusedError: It is none of the nodes that this one knows.
            StreamEndedError: It has ended.
            VnetError: It says what it may not.
        """
        settings = self._settings
        assert settings is not None
        identity = Identity(
            deployment=settings.deployment, node=settings.node, token=settings.token
        )
        async with asyncio.timeout(GREETING_S):
            greeted = await listen_greeting(context, identity)
        link = self._links.get(greeted.peer)
        if link is None or greeted.peer >= settings.node:
            raise PeerRefusedError(greeted.peer, f'is no node that "{settings.node}" waits for')
        check_certificate(context, settings, greeted.peer)
        await link.attend(context, greeted)

    def _watch_all(self, descriptors: TrunkDescriptors) -> None:
        self._watch(descriptors.connects, self._take_connects)
        self._watch(descriptors.listener, self._take_connections)
        self._watch(descriptors.records, self._take_records)

    def _watch(self, descriptor: int, take: Callable[[], None]) -> None:
        def readable() -> None:
            if self._descriptors is None:
                return
            take()
            self._watch(descriptor, take)

        self._watches.watch(descriptor, Event.READ, readable)

    def _link_to(self, address: int) -> PeerLink | None:
        return self._links.get(self._owners.get(address, ""))

    def _take_connects(self) -> None:
        for _ in range(BATCH):
            connect = self._switch.take_connect()
            if connect is None:
                break
            link = self._link_to(connect.ends.target)
            if link is None:
                self._switch.refuse_connect(connect.number, Reason.UNREACHABLE)
            else:
                link.carrier.connect(connect)
        self._take_withdrawals()

    def _take_withdrawals(self) -> None:
        """Ask each time, also when nobody waits: the descriptor stays readable until then."""
        waiting = {
            number: link.carrier
            for link in self._links.values()
            for number in link.carrier.connecting
        }
        for number in self._switch.withdrawn(list(waiting)):
            waiting[number].withdraw(number)

    def _take_connections(self) -> None:
        assert self._descriptors is not None
        for _ in range(BATCH):
            accepted = self._switch.accept_simulated(self._descriptors.listener)
            if accepted is None:
                return
            descriptor, ends, buffers = accepted
            link = self._link_to(ends.target)
            if link is None:
                self._switch.reset_on_close(descriptor)
                self._switch.close(descriptor)
            else:
                link.carrier.connected(descriptor, ends, buffers)

    def _take_records(self) -> None:
        assert self._descriptors is not None
        for _ in range(BATCH):
            record = self._switch.take_record(self._descriptors.records)
            if record is None:
                return
            self._pass_on(record)

    def _pass_on(self, record: Packet | Asked) -> None:
        link = self._link_to(record.ends.target)
        if link is not None:
            link.carrier.say(record)
