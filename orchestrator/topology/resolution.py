"""What a topology refers to: folders to mount, files of environment variables, images.

Owns the reading of those, and the finished model: absolute folders and images, complete
environments, nothing left that depends on where or when it is read again. Which images there are is
the image store's business; it is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.topology.document import MAX_BYTES
from orchestrator.topology.envfile import parse_env_file
from orchestrator.topology.parsing import decode
from orchestrator.topology.problems import Path as NodePath
from orchestrator.topology.problems import Problem, quoted
from orchestrator.topology.schema import (
    EnvFileEntry,
    ServiceSection,
    Topology,
    VolumeEntry,
    VolumeKind,
)
from orchestrator.topology.schema.develop import DevelopSection
from orchestrator.topology.validation import Finding
from orchestrator.topology.variables import Layered
from pod_node.images import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

ReadFile: TypeAlias = Callable[[Path], bytes | str]
"""Reads a file, or says in a few words why it cannot be read."""
FindImage: TypeAlias = Callable[[str, Path], str]
"""Makes an image reference in a file of this folder absolute, or raises `ImageError`."""

ABSENT = "does not exist"


@dataclass(slots=True)
class Resolution:
    """A finished model, and what is wrong with the things it refers to."""

    topology: Topology
    findings: list[Finding] = field(default_factory=list)
    """In the topology file; paths are those of the model."""
    problems: list[Problem] = field(default_factory=list)
    """In other files."""


def resolve(
    topology: Topology,
    directory: Path,
    variables: Mapping[str, str],
    find_image: FindImage | None = None,
    read: ReadFile | None = None,
) -> Resolution:
    """Finish a model.

    Args:
        topology: What the file says.
        directory: Where relative paths start.
        variables: Values for variables that are listed without one.
        find_image: Looks up image references; without it they stay as they are written.
        read: Reads files of variables; `read_bytes` when None.
    """
    result = Resolution(topology)
    services = {
        name: _resolved(name, service, directory, variables, read or read_bytes, result)
        for name, service in topology.services.items()
    }
    if find_image is not None:
        for name, service in services.items():
            image = _resolved_image(name, service.image, directory, find_image, result)
            services[name] = service.model_copy(update={"image": image})
    result.topology = topology.model_copy(update={"services": services})
    return result


def read_bytes(path: Path) -> bytes | str:
    """Read a text file, or say in a few words why it cannot be read.

    Of a file that is too large to be used, no more is read than it takes to see that.
    """
    try:
        if path.is_dir():
            return "is a folder, not a file"
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _resolved(
    name: str,
    service: ServiceSection,
    directory: Path,
    variables: Mapping[str, str],
    read: ReadFile,
    result: Resolution,
) -> ServiceSection:
    volumes = tuple(
        _resolved_volume(volume, ("services", name, "volumes", index), directory, result)
        for index, volume in enumerate(service.volumes)
    )
    environment: dict[str, str] = {}
    for index, entry in enumerate(service.env_file):
        path = ("services", name, "env_file", index)
        known = Layered(environment, variables)
        environment |= _read_env_file(entry, path, directory, known, read, result)
    for variable, value in service.environment.items():
        given = variables.get(variable) if value is None else value
        if given is not None:
            environment[variable] = given
    develop = _resolved_develop(service.develop, ("services", name, "develop"), directory, result)
    changes = {
        "volumes": volumes,
        "environment": environment,
        "env_file": (),
        "develop": develop,
    }
    return service.model_copy(update=changes)


def _resolved_image(
    service: str, image: str, directory: Path, find_image: FindImage, result: Resolution
) -> str:
    try:
        return find_image(image, directory)
    except ImageError as error:
        result.findings.append(Finding(("services", service, "image"), str(error)))
        return image


def _resolved_volume(
    volume: VolumeEntry, path: NodePath, directory: Path, result: Resolution
) -> VolumeEntry:
    if volume.type is not VolumeKind.BIND:
        return volume
    source = os.path.abspath(directory / os.path.expanduser(volume.source))
    if not os.path.exists(source):
        message = f"{quoted(source)} does not exist; create it or correct the path"
        result.findings.append(Finding(path, message))
    elif not os.path.isdir(source) and not os.path.isfile(source):
        message = f"{quoted(source)} is no folder and no file, and pods can mount nothing else"
        result.findings.append(Finding(path, message))
    return volume.model_copy(update={"source": source})


def _resolved_develop(
    develop: DevelopSection, path: NodePath, directory: Path, result: Resolution
) -> DevelopSection:
    entries = []
    for index, entry in enumerate(develop.watch):
        watched = os.path.abspath(directory / os.path.expanduser(entry.path))
        if not os.path.exists(watched):
            message = f"{quoted(watched)} does not exist; create it or correct the path"
            result.findings.append(Finding((*path, "watch", index, "path"), message))
        entries.append(entry.model_copy(update={"path": watched}))
    return develop.model_copy(update={"watch": tuple(entries)})


def _read_env_file(
    entry: EnvFileEntry,
    path: NodePath,
    directory: Path,
    variables: Mapping[str, str],
    read: ReadFile,
    result: Resolution,
) -> dict[str, str]:
    file = directory / os.path.expanduser(entry.path)
    raw = read(file)
    if isinstance(raw, str):
        if raw == ABSENT and not entry.required:
            return {}
        result.findings.append(Finding(path, f"the file {quoted(str(file))} {raw}"))
        return {}
    values, problems = read_variables(raw, str(file), variables)
    result.problems += problems
    return values


def read_variables(
    raw: bytes, file: str, variables: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """Read the bytes of a file of environment variables."""
    source = decode(raw, file)
    if isinstance(source, Problem):
        return {}, [source]
    parsed = parse_env_file(source.text, variables)
    return parsed.values, [source.problem(fault) for fault in parsed.faults]
