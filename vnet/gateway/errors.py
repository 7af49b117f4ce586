"""Errors of the gateway that a person can cause: rules that are none.

What a guest observes is an `OSError` with an errno and is no part of this family.
"""

from vnet.errors import VnetError


class EgressRuleError(VnetError):
    """A text that cannot be an egress rule."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule, reason)
        self.rule, self.reason = rule, reason

    def __str__(self) -> str:
        return (
            f'egress rule "{self.rule}" {self.reason}; write it like api.example.com:443, '
            "*.example.com:443, 192.0.2.0/24:80 or [2001:db8::/32]:443"
        )
