"""All pods of one deployment, and what follows from each change to one of them.

Owns the table of entries, the timers of restarts, the record of restarts, and everything that is
counted along with a change so that nobody has to look at all pods. Why a pod changes is the
business of `lives.py`, `adoption.py` and `deployment.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.lifecycle.dependencies import Dependencies
from orchestrator.lifecycle.entries import Entry, Fate, Tally, is_outdated
from orchestrator.lifecycle.events import DropPod, KeepRestarts, RemovePod, ShowPod
from orchestrator.lifecycle.restart import RestartTimer
from orchestrator.views.phases import Phase, PodView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.desired.plan import Dependency
    from orchestrator.desired.reconcile import Desired
    from orchestrator.lifecycle.events import Command
    from orchestrator.lifecycle.restart import RestartRecord


class Pods:
    """The pods of one deployment as its state machine holds them."""

    def __init__(self, commands: list[Command], records: Mapping[str, RestartRecord]) -> None:
        """Begin without any pod.

        Args:
            commands: Takes what is to be shown, kept and done.
            records: What is remembered of restarts, by pod.
        """
        self.now = 0.0
        """The time of the event that is being handled."""
        self.commands = commands
        self.entries: dict[str, Entry] = {}
        self.services: dict[str, dict[str, Entry]] = {}
        self.timers: dict[str, float] = {}
        """When pods that ended start again."""
        self.pending: dict[str, None] = {}
        """Pods that wait for their start, those that are blocked included."""
        self.woken: dict[str, None] = {}
        """Those of them for which something has changed, so that they may have to wait no more."""
        self.changed: dict[str, str] = {}
        """The services of pods that have changed, or are gone, since updates looked at them."""
        self.tally = Tally()
        self.had_any = False
        self._records = dict(records)
        self._dependencies = Dependencies()

    def view_of(self, name: str) -> PodView | None:
        """One pod as a person sees it."""
        entry = self.entries.get(name)
        return None if entry is None else entry.view

    def counts_of(self, service: str) -> tuple[int, int]:
        """How many pods of a service run what is declared, and how many there are."""
        total = len(self.services.get(service, {}))
        return total - len(self.tally.outdated.get(service, ())), total

    def verdict(self, dependency: Dependency) -> bool | str:
        """Say whether a condition holds, or, while it cannot, why."""
        return self._dependencies.verdict(dependency)

    # --- which pods there are ---

    def arrange(self, desired: Desired) -> None:
        """Have an entry for each pod of the plan, in its order, and keep those that are to go."""
        before, self.entries = self.entries, {}
        for pod in desired.plan.pods:
            name = pod.spec.name
            entry = before.pop(name, None)
            if entry is None:
                idle = name in desired.stopped
                phase = Phase.STOPPED if idle else Phase.WAITING
                entry = Entry(pod, PodView(spec=pod.spec, phase=phase), RestartTimer(pod.restart))
                self.entries[name] = entry
                self.note(entry, shown=False)
            else:
                self.entries[name] = entry
                entry.planned, entry.timer.policy = pod, pod.restart
                idle = entry.view.phase.pending or entry.view.phase is Phase.STOPPED
                if idle and entry.fate is Fate.POLICY:
                    self.change(entry, spec=pod.spec)
                self.change(entry, outdated=is_outdated(entry))
        self.entries |= before
        self.services = {}
        for name, entry in self.entries.items():
            self.services.setdefault(entry.planned.spec.service, {})[name] = entry
        self._dependencies.rebuild(self.entries.values(), self.services)
        self.wake_all()
        self.had_any = self.had_any or bool(self.entries)

    def add(self, entry: Entry) -> None:
        """Take in a pod that no plan has."""
        self.entries[entry.name] = entry
        self.services.setdefault(entry.planned.spec.service, {})[entry.name] = entry
        self.note(entry)

    def drop(self, entry: Entry) -> None:
        """Forget a pod, here and on the node."""
        if entry.booted:
            self.commands.append(RemovePod(entry.name))
        self.forget_restarts(entry)
        del self.entries[entry.name]
        del self.services[entry.planned.spec.service][entry.name]
        if not self.services[entry.planned.spec.service]:
            del self.services[entry.planned.spec.service]
        self.pending.pop(entry.name, None)
        self.woken.pop(entry.name, None)
        self.timers.pop(entry.name, None)
        self.tally.drop(entry.name)
        self.changed[entry.name] = entry.planned.spec.service
        self._wake(self._dependencies.drop(entry))
        self.commands.append(DropPod(entry.name))

    # --- how they are ---

    def change(self, entry: Entry, **changes: object) -> None:
        """Change what is seen of a pod."""
        view = replace(entry.view, **changes)  # type: ignore[arg-type]
        if view != entry.view:
            entry.view = view
            self.note(entry)

    def note(self, entry: Entry, *, shown: bool = True) -> None:
        """Take note of a pod's new state everywhere where it counts."""
        view, name = entry.view, entry.view.spec.name
        self.tally.take(view)
        if view.phase.pending or view.phase is Phase.BLOCKED:
            self.pending[name] = self.woken[name] = None
        else:
            self.pending.pop(name, None)
            self.woken.pop(name, None)
        self.changed[name] = entry.planned.spec.service
        self._wake(self._dependencies.take(entry))
        if shown:
            self.commands.append(ShowPod(view))

    def wake(self, entry: Entry) -> None:
        """Have a pod looked at, if it waits for its start."""
        self._wake((entry.name,))

    def wake_all(self) -> None:
        """Have all pods looked at that wait for their start."""
        self.woken |= self.pending

    def _wake(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self.pending:
                self.woken[name] = None

    # --- restarts ---

    def schedule(self, entry: Entry, at: float | None) -> None:
        """Start a pod again at some time; None is not at all."""
        self.timers.pop(entry.name, None)
        if at is not None:
            self.timers[entry.name] = at

    def record(self, name: str) -> RestartRecord | None:
        """What is remembered of a pod's restarts."""
        return self._records.get(name)

    def keep_restarts(self, entry: Entry) -> None:
        """Have a pod's restarts remembered."""
        record = entry.timer.record(entry.generation, self.timers.get(entry.name))
        self._records[entry.name] = record
        self.commands.append(KeepRestarts(entry.name, record))

    def forget_restarts(self, entry: Entry) -> None:
        """Have a pod's restarts forgotten."""
        if self._records.pop(entry.name, None) is not None:
            self.commands.append(KeepRestarts(entry.name, None))
