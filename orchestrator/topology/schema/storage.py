"""What a topology file says about the files that pods see: volumes, tmpfs and limits of disk."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, model_validator

from orchestrator.topology import forms, vocabulary
from orchestrator.topology.fields import DiskSize, Flag, GuestPath
from orchestrator.topology.schema.section import Section

DEFAULT_TMPFS_BYTES = 64 * 1024 * 1024
DEFAULT_DISK_BYTES = 1024 * 1024 * 1024


class VolumeKind(Enum):
    """What a volume's source names."""

    BIND = "bind"
    VOLUME = "volume"
    TMPFS = "tmpfs"


class TmpfsOptions(Section):
    """How large a volume of type tmpfs is."""

    not_yet = vocabulary.TMPFS

    size: DiskSize = DEFAULT_TMPFS_BYTES


class TmpfsEntry(Section):
    """A folder in memory that each pod has for itself."""

    not_yet = vocabulary.TMPFS

    target: Annotated[GuestPath, AfterValidator(forms.mount_target)]
    size: DiskSize = DEFAULT_TMPFS_BYTES


class VolumeEntry(Section):
    """A folder or file seen inside the pods."""

    not_yet = vocabulary.VOLUME_ENTRY

    type: Annotated[VolumeKind, BeforeValidator(forms.volume_kind)]
    source: str = ""
    """A folder or file of this machine (relative to the file), or the name of a volume."""
    target: Annotated[GuestPath, AfterValidator(forms.mount_target)]
    read_only: Flag = False
    tmpfs: TmpfsOptions | None = None

    @model_validator(mode="after")
    def _says_what_its_type_needs(self) -> VolumeEntry:
        if self.type is VolumeKind.TMPFS:
            if self.source:
                raise ValueError('a tmpfs has no "source"; remove it')
            if self.read_only:
                raise ValueError('nobody could write to a "read_only" tmpfs; remove it')
        elif not self.source:
            raise ValueError('there is no "source"; name a folder, or a declared volume')
        elif self.tmpfs is not None:
            raise ValueError('"tmpfs" is for volumes of type tmpfs; remove it')
        return self


class VolumeSection(Section):
    """One named volume; there is nothing to say about it yet."""

    not_yet = vocabulary.VOLUME


class StorageSection(Section):
    """How much one pod may write that no volume holds."""

    not_yet = vocabulary.STORAGE

    size: DiskSize = DEFAULT_DISK_BYTES
