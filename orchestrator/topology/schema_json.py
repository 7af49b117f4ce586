"""The JSON schema of topology files, for editors that complete and check as one types.

Owns what the generated schema adds to the models' own: the dialect, the title, and the form of
names that are keys. Relations between parts of a file are beyond a JSON schema; `podnet validate`
checks them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.topology.fields import LABEL_PATTERN
from orchestrator.topology.schema import Topology

if TYPE_CHECKING:
    from pydantic.config import JsonDict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def topology_schema() -> JsonDict:
    """The schema as a JSON value."""
    schema: JsonDict = Topology.model_json_schema(mode="validation")
    properties = schema["properties"]
    if not isinstance(properties, dict):
        raise AssertionError("an object's properties are an object")
    for key in ("services", "networks"):
        names = properties[key]
        if isinstance(names, dict):
            names["propertyNames"] = {"pattern": LABEL_PATTERN}
    return {"$schema": _DIALECT, **schema, "title": "podnet topology"}


def topology_schema_text() -> str:
    """The schema as the text of a file."""
    return json.dumps(topology_schema(), indent=2) + "\n"
