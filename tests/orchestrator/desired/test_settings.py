"""Which settings differ between two topologies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.desired.settings import changed_settings
from tests.support.networks import topology

SERVICES: dict[str, dict[str, object]] = {
    "web": {"networks": ["front"]},
    "api": {"networks": ["front"], "ports": ["80"]},
}
LINK: dict[str, object] = {"endpoints": ["web", "api"], "delay": "5ms"}
POLICY: dict[str, object] = {"service": "api", "ingress": []}
EGRESS: dict[str, object] = {"service": "web", "allow": ["example.com:443"]}
ENTRY: dict[str, object] = {"at": "5s", "partition": ["web", "api"]}
CHANGES: dict[str, dict[str, list[dict[str, object]]]] = {
    "links": {"links": [LINK]},
    "policies": {"policies": [POLICY]},
    "egress": {"egress": [EGRESS]},
    "schedule": {"schedule": [ENTRY]},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_is_new_or_gone_is_named(name: str) -> None:
    plain = topology(SERVICES, {"front": {}})
    other = topology(SERVICES, {"front": {}}, **CHANGES[name])
    assert changed_settings(plain, other) == changed_settings(other, plain) == (name,)


def test_links_of_a_network_and_restart_policies_are_told_by_name() -> None:
    before = topology(SERVICES, {"front": {}})
    services = {**SERVICES, "web": {**SERVICES["web"], "restart": "always"}}
    services["new"] = {"restart": "always"}
    after = topology(services, {"front": {"link": {"delay": "1ms"}}})
    assert changed_settings(before, after) == (
        "links of network front",
        "restart policy of web",
    )


@given(st.sets(st.sampled_from(sorted(CHANGES))), st.sets(st.sampled_from(sorted(CHANGES))))
def test_nothing_else_is_named(first: set[str], second: set[str]) -> None:
    before, after = (
        topology(SERVICES, {"front": {}}, **{k: v for n in names for k, v in CHANGES[n].items()})
        for names in (first, second)
    )
    assert set(changed_settings(before, after)) == first ^ second
    assert changed_settings(None, after) == changed_settings(after, after) == ()
