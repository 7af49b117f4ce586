"""What every mapping of a topology file has in common.

Owns the base of all sections: unknown keys are errors, keys that begin with `x-` are ignored, a key
without a value is as good as absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from orchestrator.topology.vocabulary import Refusals

if TYPE_CHECKING:
    from pydantic.config import JsonDict
    from pydantic.fields import FieldInfo


def _allow_extensions(schema: JsonDict) -> None:
    schema["patternProperties"] = {"^x-": {}}


class Section(BaseModel):
    """A mapping of the file with a fixed set of keys, plus `x-*` keys that are ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        serialize_by_alias=True,
        json_schema_extra=_allow_extensions,
    )

    not_yet: ClassVar[Refusals] = {}
    """Keys refused by name rather than as unknown."""

    @classmethod
    def keys(cls) -> dict[str, FieldInfo]:
        """The keys as a file has them; some, such as `from`, could not be names in Python."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @model_validator(mode="before")
    @classmethod
    def _drop_ignored(cls, value: object) -> object:
        """Drop `x-*` keys, and keys that stand there without a value."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value
        known = cls.keys()
        return {
            key: item
            for key, item in value.items()
            if not str(key).startswith("x-") and not (item is None and key in known)
        }
