"""The gateway's decisions: who may reach what, and how much of it.

Owns rules, limits and the use that is made of them, for every service of a node; the meaning of
synthetic addresses is kept here, too. Pure: resolving, dialling and moving bytes are the shell's.

A connect goes through two gates. `admit` looks at what the pod asked for, a name or an address, and
at the service's limits. Then the shell resolves, and `choose` looks at each address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from vnet.configuration import Egress, EgressRule, GuardedPorts
from vnet.gateway.denied import canonical, denied_range, guarding, lifting_rule
from vnet.gateway.rules import block_rules, knows_name, name_rule, normal_name
from vnet.gateway.synthetic import BLOCK, SyntheticAddresses

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """An attempt that may not go on, and why."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A connect that may go on, and counts as one of its service's until `end`."""

    service: str
    target: str
    port: int
    name: str | None
    """To be resolved; None when `address` is what was asked for."""
    address: IPv4Address
    """What the guest connects to: synthetic when there is a name."""
    rule: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The addresses that may be dialled, and why others may not."""

    permitted: dict[Address, str]
    """In order of preference, each with the rule that allows it, as it was written."""
    refusals: tuple[str, ...]


@dataclass(slots=True)
class _Use:
    connections: int = 0
    transfer_bytes: int = 0


@dataclass(slots=True)
class Gate:
    """What the services of a node may reach."""

    synthetic: SyntheticAddresses = field(default_factory=SyntheticAddresses)
    _egress: dict[str, Egress] = field(default_factory=dict)
    _uses: dict[str, _Use] = field(default_factory=dict)
    _guarded: tuple[GuardedPorts, ...] = ()

    def configure(self, egress: Iterable[Egress], guarded: Iterable[GuardedPorts] = ()) -> None:
        """Replace all rules and limits, and what they do not open; connections that stand go on."""
        self._egress = {one.service: one for one in egress}
        self._guarded = tuple(guarded)

    def lookup(self, service: str, name: str) -> IPv4Address | Denied:
        """Return the address that is to stand for a name."""
        normal = normal_name(name)
        if normal is None or not knows_name(self._rules(service), normal):
            return Denied(target=name, reason="no egress rule of the service has this name")
        address = self.synthetic.address_of(service, normal)
        if address is None:
            return Denied(target=name, reason="the service has too many names in use")
        return address

    def admit(self, service: str, destination: IPv4Address, port: int) -> Admitted | Denied:
        """Decide by what a pod asks for; count the connect when it is admitted."""
        name = self.synthetic.name_of(destination)
        target = name or str(destination)
        rule = self._rule(service, destination, name, port)
        over = self._limit_reached(service)
        if rule is None or over:
            return Denied(target=target, reason=over or _no_rule(destination, name, port))
        self._use(service).connections += 1
        if name is not None:
            self.synthetic.hold(destination)
        return Admitted(
            service=service,
            target=target,
            port=port,
            name=name,
            address=destination,
            rule=rule.text,
        )

    def choose(
        self, admitted: Admitted, resolved: Iterable[Address], is_own: Callable[[Address], bool]
    ) -> Choice:
        """Decide about each address that a name, or the address itself, leads to.

        Args:
            admitted: The connect.
            resolved: Addresses in order of preference; repetitions count once.
            is_own: Tells the node's own addresses.
        """
        rules = self._rules(admitted.service)
        permitted: dict[Address, str] = {}
        refusals: list[str] = []
        for address in dict.fromkeys(map(canonical, resolved)):
            own = is_own(address)
            guarded = guarding(address, admitted.port, self._guarded, own=own)
            if guarded is not None:
                refusals.append(f"{address} port {admitted.port} is {guarded.reason}")
                continue
            denied = denied_range(address, own=own)
            if denied is None:
                permitted[address] = admitted.rule
                continue
            lifting = lifting_rule(denied, block_rules(rules, address, admitted.port))
            if lifting is None:
                refusals.append(f"{address} is {denied.reason} ({denied.block})")
            else:
                permitted[address] = lifting.text
        return Choice(permitted, tuple(refusals))

    def end(self, admitted: Admitted) -> None:
        """Count a connect that failed or a connection that ended."""
        self._use(admitted.service).connections -= 1
        if admitted.name is not None:
            self.synthetic.release(admitted.address)

    def transferred(self, service: str, size_bytes: int) -> bool:
        """Count bytes that moved; False when the service's limit is reached."""
        use = self._use(service)
        use.transfer_bytes += size_bytes
        return not self._bytes_used_up(service)

    def _rules(self, service: str) -> tuple[EgressRule, ...]:
        egress = self._egress.get(service)
        return egress.rules if egress else ()

    def _rule(
        self, service: str, destination: IPv4Address, name: str | None, port: int
    ) -> EgressRule | None:
        if name is not None:
            return name_rule(self._rules(service), name, port)
        return next(iter(block_rules(self._rules(service), destination, port)), None)

    def _limit_reached(self, service: str) -> str:
        egress = self._egress.get(service)
        most = egress.limits.connections if egress else None
        if most is not None and self._use(service).connections >= most:
            return f"the service has its {most} connections open"
        if self._bytes_used_up(service):
            return "the service has used up its bytes"
        return ""

    def _bytes_used_up(self, service: str) -> bool:
        egress = self._egress.get(service)
        most = egress.limits.transfer_bytes if egress else None
        return most is not None and self._use(service).transfer_bytes >= most

    def _use(self, service: str) -> _Use:
        return self._uses.setdefault(service, _Use())


def _no_rule(destination: IPv4Address, name: str | None, port: int) -> str:
    if name is None and destination in BLOCK:
        return f"{destination} stands for no name any more; look it up again"
    return f"no egress rule of the service allows {name or destination}:{port}"
