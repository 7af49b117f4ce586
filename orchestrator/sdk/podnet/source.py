"""What a topology is given as: a path, a YAML text, or a dict of what a YAML text would say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from podnet.errors import InvalidTopologyError

if TYPE_CHECKING:
    from orchestrator.topology.source import TopologySource

TopologyLike: TypeAlias = "str | os.PathLike[str] | Mapping[str, object]"


def read_source(
    topology: TopologyLike,
    directory: str | os.PathLike[str] | None,
    variables: Mapping[str, str],
) -> tuple[str, TopologySource]:
    """Read a topology and check it; gives the deployment's name, too.

    Args:
        topology: A path, a text (which has more than one line), or a dict.
        directory: Where a text's relative paths start; None is the current one.
        variables: Values for `${NAME}` besides those of the environment.

    Raises:
        InvalidTopologyError: it has mistakes; the message has them all.
    """
    from orchestrator.topology.loader import read_topology, read_topology_bytes
    from orchestrator.topology.render import render_problems
    from pod_node.images import absolute_reference

    environment = {**os.environ, **variables}
    folder = Path.cwd() if directory is None else Path(directory).absolute()
    text = _text(topology)
    if text is None:
        assert not isinstance(topology, Mapping), "a dict was made a text"
        reading = read_topology(folder / topology, environment, absolute_reference)
    else:
        reading = read_topology_bytes(
            text.encode(), "topology", folder, environment, absolute_reference
        )
    if reading.topology is None or reading.source is None:
        raise InvalidTopologyError(render_problems(reading.errors).removeprefix("error: "))
    return reading.topology.name, reading.source


def _text(topology: TopologyLike) -> str | None:
    """Return the text that a topology is, or None for a path."""
    if isinstance(topology, Mapping):
        import yaml

        return yaml.safe_dump(dict(topology), sort_keys=False)
    if isinstance(topology, str) and "\n" in topology:
        return topology
    return None
