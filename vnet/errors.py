"""The errors that the virtual network raises on the host's side, one small family.

Owns the base class, the errors of addressing and that of messages. What a guest observes is an
`OSError` with an errno and is no part of this family.
"""

from __future__ import annotations


class VnetError(Exception):
    """Base of every error that the virtual network reports to the host.

    Subclasses pass all positional arguments to `super().__init__` and format in `__str__`, so that
    an error survives pickling.
    """


class SubnetError(VnetError):
    """A text or a range that cannot be the subnet of a network."""

    def __init__(self, subnet: str, reason: str) -> None:
        super().__init__(subnet, reason)
        self.subnet, self.reason = subnet, reason

    def __str__(self) -> str:
        return f'subnet "{self.subnet}" {self.reason}'


class SubnetOverlapError(VnetError):
    """Two networks claim the same addresses."""

    def __init__(self, network: str, subnet: str, other: str, other_subnet: str) -> None:
        super().__init__(network, subnet, other, other_subnet)
        self.network, self.subnet = network, subnet
        self.other, self.other_subnet = other, other_subnet

    def __str__(self) -> str:
        return (
            f'subnet {self.subnet} of network "{self.network}" overlaps {self.other_subnet} '
            f'of network "{self.other}"; give them separate ranges'
        )


class PoolExhaustedError(VnetError):
    """A network has no free address left."""

    def __init__(self, network: str, subnet: str, capacity: int) -> None:
        super().__init__(network, subnet, capacity)
        self.network, self.subnet, self.capacity = network, subnet, capacity

    def __str__(self) -> str:
        return (
            f'network "{self.network}" ({self.subnet}) has no free address: all {self.capacity} '
            "are given to pods; use a larger subnet or fewer replicas"
        )


class NoFreeSubnetError(VnetError):
    """Every range that podnet picks subnets from overlaps a declared one."""

    def __init__(self, network: str) -> None:
        super().__init__(network)
        self.network = network

    def __str__(self) -> str:
        return (
            f'no private range is left for network "{self.network}"; declare its subnet, or make '
            "the other networks' subnets smaller"
        )


class AddressTakenError(VnetError):
    """An address is outside its pool, reserved, or held by somebody else."""

    def __init__(self, network: str, address: str, reason: str) -> None:
        super().__init__(network, address, reason)
        self.network, self.address, self.reason = network, address, reason

    def __str__(self) -> str:
        return f'address {self.address} of network "{self.network}" {self.reason}'


class InvalidMessageError(VnetError):
    """A message holds what no value of ours can be made of."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field, self.reason = field, reason

    def __str__(self) -> str:
        return f"field {self.field} {self.reason}"


class ConfigurationError(VnetError):
    """A network configuration that makes no sense as a whole."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place, self.reason = place, reason

    def __str__(self) -> str:
        return f"{self.place} {self.reason}"
