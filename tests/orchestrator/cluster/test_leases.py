"""Who may run pods until when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster.leases import LeaseTable

LEASE_S = 5.0


def test_a_revoked_lease_is_over_when_the_last_grant_is() -> None:
    table = LeaseTable(LEASE_S)
    assert table.renew("a", 10.0)
    until = table.revoke("a", 11.0)
    assert 15.0 <= until < 15.1
    assert not table.renew("a", 12.0)
    assert table.revoke("a", 20.0) == 20.0


def test_a_node_that_was_never_granted_anything_is_over_at_once() -> None:
    table = LeaseTable(LEASE_S)
    assert table.revoke("a", 3.0) == 3.0
    assert not table.renew("a", 3.0)


def test_a_lease_that_nobody_renews_is_told_once_and_never_granted_again() -> None:
    table = LeaseTable(LEASE_S)
    table.renew("a", 0.0)
    table.renew("b", 4.0)
    assert table.expired(5.0) == []
    assert table.expired(5.1) == ["a"]
    assert table.expired(5.2) == []
    assert not table.renew("a", 5.3)
    assert table.renew("b", 5.3)
    table.forget("a")
    assert table.renew("a", 5.4)


@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.sampled_from(["ask", "revoke"]))),
    st.floats(-0.009, 0.009),
)
def test_a_node_never_holds_a_lease_that_the_table_thinks_is_over(
    steps: list[tuple[float, float, str]], drift: float
) -> None:
    """A node counts from its question, on a clock of its own; the table from its answer."""
    table, now, until_at_node, certain = LeaseTable(LEASE_S), 0.0, 0.0, None
    for wait, trip, step in steps:
        now += wait
        if step == "revoke":
            over = table.revoke("a", now)
            certain = over if certain is None else min(certain, over)
            continue
        asked = now
        now += trip
        if table.renew("a", now):
            assert certain is None
            until_at_node = max(until_at_node, asked + LEASE_S * (1 + drift))
    if certain is not None:
        assert until_at_node <= certain
