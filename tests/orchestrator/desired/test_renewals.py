"""Restarts that an orchestrator had begun when it was killed are finished by the next, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.desired.declaration import (
    Declaration,
    Renewal,
    Wanted,
    with_started,
    with_stopped,
    with_topology,
)
from orchestrator.desired.planning import NO_WISHES, Prepared, Wishes, newly_started, prepare
from orchestrator.desired.reconcile import Observed
from orchestrator.desired.steps import step_view
from orchestrator.lifecycle.deployment import Deployment
from orchestrator.lifecycle.events import BootPod, ImageReady, Planned
from orchestrator.topology.loader import read_topology_bytes
from orchestrator.views.phases import Phase
from pod_node.status import PodExisting, PodExited, PodState, PodStateChanged, PodStatus
from tests.support.pods import exited

if TYPE_CHECKING:
    from orchestrator.topology.schema import Topology
    from pod_node.spec import PodSpec

TEXT = """
name: test
services:
  a: {image: python, command: [python, x.py], deploy: {replicas: 3}, restart: "no"}
"""


def read() -> tuple[Topology, Declaration]:
    reading = read_topology_bytes(TEXT.encode(), "test.yaml", Path("/"), {})
    assert reading.topology is not None
    assert reading.source is not None
    return reading.topology, with_topology(Declaration(), reading.source, reading.topology)


ALL = frozenset({"a-1", "a-2", "a-3"})


class Running:
    """One orchestrator of a deployment, and the node that outlives it."""

    def __init__(self, before: Declaration | None = None) -> None:
        self.topology, first = read()
        self.declaration = before or first
        self.deployment = Deployment()
        self.booted: list[str] = []

    def find(self, *lives: tuple[PodSpec, int, PodState]) -> None:
        """Take over what there is."""
        for spec, generation, state in lives:
            status = PodStatus(
                spec=spec,
                state=state,
                generation=generation,
                exit=exited(0) if state is PodState.EXITED else None,
            )
            self.deployment.handle(PodExisting(status=status), 0.0)

    def take(self, declaration: Declaration, wishes: Wishes = NO_WISHES) -> list[str]:
        """Keep a declaration and make it real; the steps that begin."""
        prepared = self._prepare(declaration, wishes)
        self.declaration = prepared.declaration
        event = Planned(
            desired=prepared.desired,
            steps=prepared.steps,
            policies=prepared.policies,
            surges=prepared.surges,
        )
        self.send(event)
        self.send(ImageReady(prepared.plan.pods[0].spec.image))
        views = map(step_view, prepared.steps)
        return [f"{view.action.value} {view.target}" for view in views if view.target in ALL]

    def _prepare(self, declaration: Declaration, wishes: Wishes) -> Prepared:
        observed = Observed(
            networks={"default": next(iter(self.declaration.subnets.values()))}
            if self.declaration.subnets
            else {},
            images=self.deployment.images,
            pods=self.deployment.observed,
        )
        return prepare(declaration, self.topology, observed, Path("/state"), wishes)

    def send(self, event: object) -> None:
        for command in self.deployment.handle(event, 0.0):  # type: ignore[arg-type]
            if isinstance(command, BootPod):
                self.booted.append(command.spec.name)

    def runs(self, pod: str, generation: int) -> None:
        self.send(PodStateChanged(pod=pod, generation=generation, state=PodState.RUNNING))

    def ends(self, pod: str, generation: int) -> None:
        self.send(PodExited(pod=pod, generation=generation, exit=exited(0), last_error_line=""))

    def specs(self) -> list[PodSpec]:
        return [view.spec for view in self.deployment.views]


@pytest.fixture
def running() -> Running:
    """Three pods that run, each in its first life."""
    running = Running()
    running.take(running.declaration)
    for pod in ("a-1", "a-2", "a-3"):
        running.runs(pod, 1)
    return running


def test_what_is_to_begin_anew_is_kept_before_anything_ends(running: Running) -> None:
    assert running.take(running.declaration, Wishes(restarted=ALL)) == [
        "restart a-1",
        "restart a-2",
        "restart a-3",
    ]
    assert running.declaration.renewals == dict.fromkeys(sorted(ALL), Renewal(1))


def test_a_restart_is_finished_by_the_next_orchestrator_where_it_was_not(running: Running) -> None:
    running.take(running.declaration, Wishes(restarted=ALL))
    one, two, three = running.specs()
    following = Running(running.declaration)
    following.find(
        (one, 2, PodState.RUNNING), (two, 1, PodState.EXITED), (three, 1, PodState.RUNNING)
    )
    assert following.take(following.declaration) == ["restart a-2", "restart a-3"]
    assert following.booted == ["a-2"], "a-3 has to end first"
    assert following.declaration.renewals == {"a-2": Renewal(1), "a-3": Renewal(1)}


def test_a_pod_that_ends_for_its_restart_is_not_ended_twice(running: Running) -> None:
    running.take(running.declaration, Wishes(restarted=ALL))
    assert running.take(running.declaration) == []
    assert set(running.declaration.renewals) == ALL, "none has another life yet"
    running.ends("a-1", 1)
    assert running.take(running.declaration) == []
    running.runs("a-1", 2)
    assert running.take(running.declaration) == []
    assert set(running.declaration.renewals) == {"a-2", "a-3"}


def test_a_forced_replacement_goes_on_with_the_next_orchestrator(running: Running) -> None:
    steps = running.take(running.declaration, Wishes(recreated=ALL))
    assert steps == ["replace a-1", "replace a-2", "replace a-3"]
    one, two, three = running.specs()
    following = Running(running.declaration)
    following.find(
        (one, 2, PodState.RUNNING), (two, 1, PodState.STOPPING), (three, 1, PodState.RUNNING)
    )
    assert following.take(following.declaration) == ["replace a-3"]
    assert set(following.declaration.renewals) == {"a-2", "a-3"}


def test_a_pod_that_is_started_again_is_so_by_the_next_orchestrator_too(running: Running) -> None:
    running.take(with_stopped(running.declaration, ["a-1"]))
    running.ends("a-1", 1)
    started = with_started(running.declaration, running.topology, ["a-1"])
    assert running.take(started, Wishes(started=frozenset({"a-1"}))) == ["boot a-1"]
    one, two, three = running.specs()
    following = Running(running.declaration)
    following.find(
        (one, 1, PodState.EXITED), (two, 1, PodState.RUNNING), (three, 1, PodState.RUNNING)
    )
    assert following.take(following.declaration) == ["restart a-1"]
    assert following.booted == ["a-1"]


def test_what_was_stopped_is_started_whoever_finds_it_ended(running: Running) -> None:
    running.take(with_stopped(running.declaration, ["a-1", "a-2"]))
    running.ends("a-1", 1)
    one, two, three = running.specs()
    following = Running(running.declaration)
    following.find(
        (one, 1, PodState.EXITED), (two, 1, PodState.RUNNING), (three, 1, PodState.EXITED)
    )
    source = running.declaration.source
    assert source is not None
    before = following.declaration
    after = with_topology(before, source, running.topology)
    started = newly_started(before, after, running.topology)
    assert started == {"a-1", "a-2"}
    assert following.take(after, Wishes(started=started, retried=True)) == ["boot a-1"]


def test_who_is_stopped_or_gone_does_not_begin_anew(running: Running) -> None:
    running.take(running.declaration, Wishes(restarted=ALL))
    running.take(with_stopped(running.declaration, ["a-1"]))
    assert set(running.declaration.renewals) == {"a-2", "a-3"}
    for pod in ALL:
        running.ends(pod, 1)
    phases = {view.spec.name: view.phase for view in running.deployment.views}
    assert phases["a-1"] is Phase.STOPPED
    assert running.booted[3:] != []
    assert "a-1" not in running.booted[3:]
    following = Running(running.declaration)
    assert following.declaration.wanted is Wanted.UP
    assert "restart" not in " ".join(following.take(following.declaration)), "there is nobody"
    assert following.declaration.renewals == {}
