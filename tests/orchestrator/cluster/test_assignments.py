"""Who is where, as nodes and pods come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster.assignments import Assignments
from orchestrator.placement import Demand, Placing, ServiceRules
from tests.support.placing import MIB, offer

NODES = ["a", "b", "c"]


def placing(count: int) -> Placing:
    demands = tuple(
        Demand(pod=f"web-{number}", service="web", memory_bytes=256 * MIB)
        for number in range(1, count + 1)
    )
    return Placing(demands=demands, rules={"web": ServiceRules()})


steps = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from(NODES)),
        st.tuples(st.just("leave"), st.sampled_from(NODES)),
        st.tuples(st.just("cordon"), st.sampled_from(NODES)),
        st.tuples(st.just("drain"), st.sampled_from(NODES)),
        st.tuples(st.just("scale"), st.integers(0, 12)),
    ),
    max_size=20,
)


@given(steps)
def test_every_pod_is_on_one_node_that_there_is_or_it_is_said_why_not(
    script: list[tuple[str, str | int]],
) -> None:
    books, there, wanted = Assignments("test"), set[str](), 0
    for verb, what in script:
        before = dict(books.owners)
        name = str(what)
        if verb == "join" and name not in there:
            there.add(name)
            fresh = books.join(offer(name, memory=1024))
            assert all(pod not in before and books.owners[pod] for pod in fresh)
        elif verb == "leave":
            there.discard(name)
            assert books.leave(name) == [pod for pod, node in before.items() if node == name]
        elif verb == "scale":
            wanted = int(what)
            books.arrange(placing(wanted))
        elif name in there:
            books.change(name, cordoned=True, draining=verb == "drain")
        for pod, node in before.items():
            if node in there and pod in books.owners:
                assert books.owners[pod] == node  # nothing but a move moves it
        assert set(books.owners.values()) <= there
        for demand in placing(wanted).demands:
            assert demand.pod in books.owners or books.obstacle(demand.pod)


def test_a_pod_moves_only_where_there_is_room() -> None:
    books = Assignments("test")
    books.join(offer("a"))
    books.arrange(placing(1))
    assert not books.has_room_elsewhere("web-1") or books.move("web-1") == "a"
    books.change("a", cordoned=True, draining=True)
    assert not books.has_room_elsewhere("web-1")
    assert books.move("web-1") is None
    assert books.owners == {"web-1": "a"}
    books.join(offer("b"))
    assert books.has_room_elsewhere("web-1")
    assert books.move("web-1") == "b"


def test_a_pod_that_runs_where_another_node_should_have_it_may_not() -> None:
    books = Assignments("test")
    books.join(offer("a"))
    books.join(offer("b"))
    assert books.adopt("web-1", "web", "a")
    assert not books.adopt("web-1", "web", "b")
    books.arrange(placing(2))
    assert books.owners["web-1"] == "a"
    books.arrange(placing(0))
    assert books.owners["web-1"] == "a"  # until it is gone
    books.forget("web-1")
    assert "web-1" not in books.owners
