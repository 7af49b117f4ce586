"""What a topology file says about changes that happen by themselves while it runs.

Owns the model of one entry and which of its keys go together.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import Duration, FaultName, Flag, PositiveDuration, Text
from orchestrator.topology.problems import quoted
from orchestrator.topology.schema.network import ImpairmentsSection
from orchestrator.topology.schema.section import Section
from orchestrator.topology.values import LinkDirection

ALL = "all"
"""Ends every partition, or every hold."""

_Group: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(forms.one_or_many, json_schema_input_type=str | list[str]),
]
Groups: TypeAlias = Annotated[tuple[_Group, ...], AfterValidator(forms.two_groups)]

_ACTIONS = ("partition", "hold", "link", "heal", "release", "kill", "pause", "resume")
_GOES_WITH = {
    "oneway": ("partition", "hold"),
    "name": ("partition", "hold"),
    "duration": ("partition", "hold", "link", "pause"),
    "set": ("link",),
    "reset": ("link",),
    "network": ("link",),
    "direction": ("link",),
}


class ScheduleEntry(Section):
    """One change, and when it happens."""

    not_yet = vocabulary.SCHEDULE

    at: Duration
    """Seconds after all pods have started."""
    duration: PositiveDuration | None = None
    """None for good."""
    name: FaultName | None = None
    """What a later `heal` or `release` calls this partition or hold."""
    partition: Groups | None = None
    hold: Groups | None = None
    oneway: Flag = False
    """Only packets from the first group to the second are concerned."""
    link: Annotated[tuple[str, ...], AfterValidator(forms.pair)] | None = None
    network: str | None = None
    direction: LinkDirection = LinkDirection.BOTH
    changes: ImpairmentsSection | None = Field(default=None, alias="set")
    reset: Flag = False
    heal: Text | None = None
    release: Text | None = None
    kill: _Group | None = None
    pause: _Group | None = None
    resume: _Group | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> ScheduleEntry:
        given = self._given()
        actions = [action for action in _ACTIONS if action in given]
        if len(actions) != 1:
            found = f"; found {' and '.join(actions)}" if actions else ""
            raise ValueError(f"expected one of {', '.join(_ACTIONS)}{found}")
        for key, partners in _GOES_WITH.items():
            if key in given and actions[0] not in partners:
                raise ValueError(
                    f"{quoted(key)} means nothing to {quoted(actions[0])}; "
                    f"it goes with {' and '.join(partners)}"
                )
        if self.link is not None and (self.changes is None) != self.reset:
            raise ValueError('a link needs one of "set: {delay: 20ms}" and "reset: true"')
        if self.reset and self.duration is not None:
            raise ValueError("a reset has no duration; schedule a change after it")
        return self

    def _given(self) -> set[str]:
        """The keys that are not left at their defaults."""
        return {
            field.alias or name
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        }
