"""What a topology file says about changes of files while somebody works on them: `develop`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import BeforeValidator, model_validator

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import Flag, GuestPath, Text
from orchestrator.topology.schema.section import Section


class WatchAction(Enum):
    """What a change of files leads to."""

    SYNC = "sync"
    RESTART = "restart"
    SYNC_AND_RESTART = "sync+restart"


class WatchEntry(Section):
    """Files of this machine whose changes concern a service's pods."""

    not_yet = vocabulary.WATCH

    path: Text
    """A folder or file; relative to the topology file."""
    action: Annotated[WatchAction, BeforeValidator(forms.watch_action)]
    target: GuestPath | None = None
    """Where changed files are put in the pods."""
    ignore: tuple[Text, ...] = ()
    include: Annotated[tuple[Text, ...], BeforeValidator(forms.one_or_many)] = ()
    initial_sync: Flag = False

    @model_validator(mode="after")
    def _says_where_to(self) -> WatchEntry:
        syncs = self.action is not WatchAction.RESTART
        if syncs and self.target is None:
            raise ValueError(f'"{self.action.value}" needs a "target": a path in the pods')
        if self.initial_sync and not syncs:
            raise ValueError('"initial_sync" is for entries that sync; remove it')
        return self


class DevelopSection(Section):
    """What happens while somebody works on the files of a service."""

    not_yet = vocabulary.DEVELOP

    watch: tuple[WatchEntry, ...] = ()
