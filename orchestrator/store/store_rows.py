"""How a declaration is written into rows, and read from them again.

Owns the columns that hold JSON. A row that makes no sense raises `ValueError`, `TypeError` or
`KeyError`; what that means is the store's business.
"""

from __future__ import annotations

import base64
import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.cluster.views import NodeState
from orchestrator.desired.declaration import (
    Declaration,
    NetworkMemory,
    PortalMemory,
    Renewal,
    Scale,
    Wanted,
)
from orchestrator.lifecycle.restart import RestartRecord
from orchestrator.serving.access import AccessError, Certificate, ListenAddress
from orchestrator.topology.source import TopologySource

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

Row: TypeAlias = "dict[str, str | int | float | None]"


def declaration_to_row(declaration: Declaration) -> Row:
    """Write everything but the topologies and the leases."""
    revision, portals = declaration.revision, declaration.portals
    network = declaration.network
    return {
        "revision": revision,
        "wanted": declaration.wanted.value,
        "rolled_back": int(declaration.rolled_back),
        "current": None if declaration.source is None else revision,
        "previous": None if declaration.previous is None else revision - 1,
        "scales": _json({k: [v.replicas, v.declared] for k, v in declaration.scales.items()}),
        "stopped": _json(sorted(declaration.stopped)),
        "rollouts": _json(
            {"surges": dict(declaration.surges), "standing": dict(declaration.standing)}
        ),
        "subnets": _json({name: str(subnet) for name, subnet in declaration.subnets.items()}),
        "portals": _json(
            {
                "labels": [[s, p, label] for (s, p), label in portals.labels.items()],
                "shared_host_port": portals.shared_host_port,
                "opened": [[s, p, host] for (s, p), host in portals.opened.items()],
                "closed": sorted(portals.closed),
            }
        ),
        "network": _json(
            {
                "changes": [list(change) for change in network.changes],
                "resumes": dict(network.resumes),
                "schedule_began_s": network.schedule_began_s,
                "schedule_done": network.schedule_done,
            }
        ),
        "renewals": _json(
            {pod: [one.generation, one.replaced] for pod, one in declaration.renewals.items()}
        ),
        "nodes": _json({name: state.value for name, state in declaration.nodes.items()}),
        "listening": _json(_listening_to_json(declaration.listening)),
    }


def declaration_from_rows(
    row: sqlite3.Row | None, topologies: Sequence[sqlite3.Row], leases: Sequence[sqlite3.Row]
) -> Declaration:
    """Read everything."""
    if row is None:
        return Declaration()
    sources = {topology["revision"]: _source(topology) for topology in topologies}
    rollouts = json.loads(row["rollouts"])
    return Declaration(
        revision=int(row["revision"]),
        wanted=Wanted(row["wanted"]),
        source=None if row["current"] is None else sources[row["current"]],
        previous=None if row["previous"] is None else sources[row["previous"]],
        rolled_back=bool(row["rolled_back"]),
        scales={
            str(service): Scale(int(replicas), int(declared))
            for service, (replicas, declared) in json.loads(row["scales"]).items()
        },
        stopped=frozenset(map(str, json.loads(row["stopped"]))),
        surges={str(k): int(v) for k, v in rollouts["surges"].items()},
        standing={str(k): str(v) for k, v in rollouts["standing"].items()},
        leases={(one["network"], one["pod"]): IPv4Address(one["address"]) for one in leases},
        subnets={
            str(name): IPv4Network(subnet) for name, subnet in json.loads(row["subnets"]).items()
        },
        portals=_portals(row["portals"]),
        network=_network(row["network"]),
        renewals={
            str(pod): Renewal(int(generation), bool(replaced))
            for pod, (generation, replaced) in json.loads(row["renewals"]).items()
        },
        nodes={str(k): NodeState(v) for k, v in json.loads(row["nodes"]).items()},
        listening=_listening(row["listening"]),
    )


def source_to_row(revision: str | int | float | None, source: TopologySource) -> Row:
    """Write a topology."""
    return {
        "revision": revision,
        "path": source.path,
        "directory": source.directory,
        "text": source.text,
        "variables": _json(dict(source.variables)),
        "files": _json(
            {path: base64.b64encode(raw).decode() for path, raw in source.files.items()}
        ),
        "name": source.name,
    }


def record_to_row(pod: str, record: RestartRecord) -> Row:
    """Write a pod's restarts."""
    return {
        "pod": pod,
        "restarts": record.restarts,
        "short_lives": record.short_lives,
        "delay_s": record.delay_s,
        "generation": record.generation,
        "due_at_s": record.due_at,
    }


def record_from_row(row: sqlite3.Row) -> tuple[str, RestartRecord]:
    """Read a pod's restarts."""
    return row["pod"], RestartRecord(
        restarts=row["restarts"],
        short_lives=row["short_lives"],
        delay_s=row["delay_s"],
        generation=row["generation"],
        due_at=row["due_at_s"],
    )


def _source(row: sqlite3.Row) -> TopologySource:
    files = json.loads(row["files"])
    return TopologySource(
        path=row["path"],
        directory=row["directory"],
        text=row["text"],
        variables={str(k): str(v) for k, v in json.loads(row["variables"]).items()},
        files={str(path): base64.b64decode(text, validate=True) for path, text in files.items()},
        name=row["name"],
    )


def _portals(text: str) -> PortalMemory:
    value = json.loads(text)
    labels = {(str(s), int(p)): str(label) for s, p, label in value["labels"]}
    return PortalMemory(
        labels=labels,
        shared_host_port=int(value["shared_host_port"]),
        opened={(str(s), int(p)): int(host) for s, p, host in value.get("opened", [])},
        closed=frozenset((str(s), int(p)) for s, p in value.get("closed", [])),
    )


def _network(text: str) -> NetworkMemory:
    value = json.loads(text)
    began = value["schedule_began_s"]
    return NetworkMemory(
        changes=tuple(
            (str(change), None if until is None else float(until))
            for change, until in value["changes"]
        ),
        resumes={str(pod): float(at) for pod, at in value["resumes"].items()},
        schedule_began_s=None if began is None else float(began),
        schedule_done=int(value["schedule_done"]),
    )


def _listening_to_json(address: ListenAddress | None) -> dict[str, str | int | None] | None:
    if address is None:
        return None
    tls = address.tls
    return {
        "host": address.host,
        "port": address.port,
        "certificate": _path_text(None if tls is None else tls.certificate),
        "key": _path_text(None if tls is None else tls.key),
        "client_ca": _path_text(address.client_ca),
        "token_file": _path_text(address.token_file),
    }


def _path_text(path: Path | None) -> str | None:
    """A path as another process finds it, whose working folder may be another one."""
    return None if path is None else str(path.absolute())


def _listening(text: str) -> ListenAddress | None:
    value = json.loads(text)
    if value is None:
        return None
    certificate, key = _path(value["certificate"]), _path(value["key"])
    try:
        return ListenAddress(
            host=str(value["host"]),
            port=int(value["port"]),
            tls=Certificate(certificate=certificate, key=key) if certificate and key else None,
            client_ca=_path(value["client_ca"]),
            token_file=_path(value["token_file"]),
        )
    except AccessError as error:
        raise ValueError(str(error)) from error


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
