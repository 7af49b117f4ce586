from __future__ import annotations

import contextlib
import string
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node import codec
from pod_node.codec import (
    event_from_message,
    event_to_message,
    lines_from_message,
    lines_to_message,
    names_from_message,
    network_from_message,
    pod_from_message,
    pod_spec_from_message,
    pod_spec_to_message,
    pod_to_message,
    portal_from_message,
    portal_to_message,
    usage_from_message,
    usage_to_message,
)
from pod_node.health import Health
from pod_node.records import LogLines
from pod_node.spec import (
    ExitKind,
    HealthCheck,
    Interface,
    Limits,
    Mount,
    PodExit,
    PodSpec,
    ProbeKind,
    Tmpfs,
)
from pod_node.status import (
    EventsLost,
    LogNotice,
    NodeEvent,
    OpenPortal,
    PodDiskFull,
    PodExisting,
    PodExited,
    PodHealthChanged,
    PodState,
    PodStateChanged,
    PodStatus,
    PortalBackend,
    Synced,
)
from pod_node.usage import NodeUsage, PodUsage, ProcessUsage
from protos.node.v1 import node_pb2 as pb
from protos.vnet.v1 import names_pb2
from tests.support.pods import make_spec
from vnet.egress import Decision, EgressAttempt, EgressEnded, Ending
from vnet.errors import InvalidMessageError

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
filled = text.filter(bool)
names = st.from_regex(codec.POD_NAME, fullmatch=True, alphabet=string.ascii_lowercase + "-019")
paths = text.map(lambda tail: "/" + tail)
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
milliseconds = st.integers(1, 10**7).map(lambda ms: ms / 1000)
microseconds = st.integers(0, 2**45).map(lambda us: us / codec.US)
ports = st.integers(1, 65_535)

checks = st.builds(
    HealthCheck,
    kind=st.sampled_from([ProbeKind.TCP, ProbeKind.HTTP]),
    port=ports,
    path=paths,
    interval_s=milliseconds,
    timeout_s=milliseconds,
    retries=st.integers(1, 1000),
    start_period_s=milliseconds,
    start_interval_s=milliseconds,
)
commands = st.builds(
    HealthCheck,
    kind=st.just(ProbeKind.COMMAND),
    command=st.lists(text, min_size=1, max_size=3).map(tuple),
    interval_s=milliseconds,
    timeout_s=milliseconds,
    retries=st.integers(1, 1000),
)
specs = st.builds(
    PodSpec,
    name=names,
    service=filled,
    image=filled,
    command=st.lists(text, max_size=3).map(tuple),
    environment=st.lists(
        st.tuples(filled.filter(lambda name: "=" not in name), text), max_size=3
    ).map(tuple),
    working_dir=paths,
    mounts=st.lists(
        st.builds(Mount, source=paths.map(Path), target=paths, read_only=st.booleans()), max_size=2
    ).map(tuple),
    interfaces=st.lists(
        st.builds(Interface, network=filled, address=addresses, prefix=st.integers(1, 32)),
        max_size=2,
    ).map(tuple),
    tmpfs=st.lists(
        st.builds(Tmpfs, target=paths, size_bytes=st.integers(1, 2**40)), max_size=2
    ).map(tuple),
    limits=st.builds(
        Limits,
        memory_bytes=st.integers(1, 2**40),
        descriptors=st.integers(1, 2**20),
        sockets=st.integers(1, 2**20),
        fabric_bytes=st.integers(1, 2**40),
        disk_bytes=st.integers(1, 2**40),
        cpus=st.none() | st.integers(1, 2**20).map(lambda thousandths: thousandths / 1000),
    ),
    healthcheck=st.none() | checks | commands,
    stop_signal=st.integers(1, 31),
    stdin_open=st.booleans(),
    tty=st.booleans(),
)
ends = st.builds(PodExit, kind=st.sampled_from(ExitKind), status=st.integers(0, 255), reason=text)
statuses = st.builds(
    PodStatus,
    spec=specs,
    state=st.sampled_from(PodState),
    generation=st.integers(1, 2**40),
    health=st.none() | st.sampled_from(Health),
    health_reason=text,
    exit=st.none() | ends,
    booted_at_s=microseconds,
    boot_s=microseconds,
    exited_at_s=microseconds,
)
generations = st.integers(1, 2**40)
happenings = st.one_of(
    st.builds(PodExisting, status=statuses),
    st.builds(Synced),
    st.builds(
        PodStateChanged,
        pod=names,
        generation=generations,
        state=st.sampled_from(PodState),
        boot_s=microseconds,
    ),
    st.builds(
        PodHealthChanged,
        pod=names,
        generation=generations,
        health=st.sampled_from(Health),
        reason=text,
    ),
    st.builds(PodDiskFull, pod=names, generation=generations, target=text),
    st.builds(PodExited, pod=names, generation=generations, exit=ends, last_error_line=text),
    st.builds(LogNotice, pod=names, message=text),
    st.builds(
        EgressAttempt,
        number=generations,
        pod=names,
        service=filled,
        target=filled,
        port=st.integers(0, 65_535),
        decision=st.sampled_from(Decision),
        rule=text,
        address=text,
        reason=text,
        duration_s=microseconds,
    ),
    st.builds(
        EgressEnded,
        number=generations,
        pod=names,
        service=filled,
        target=filled,
        port=ports,
        ending=st.sampled_from(Ending),
        sent_bytes=generations,
        received_bytes=generations,
        duration_s=microseconds,
    ),
    st.builds(EventsLost, st.integers(0, 10**6)),
)


@given(spec=specs)
def test_a_specification_survives_the_wire(spec: PodSpec) -> None:
    message = pb.PodSpec.FromString(pod_spec_to_message(spec).SerializeToString())
    assert pod_spec_from_message(message) == spec


@given(status=statuses)
def test_a_pod_survives_the_wire(status: PodStatus) -> None:
    message = pb.Pod.FromString(pod_to_message(status).SerializeToString())
    assert pod_from_message(message) == status


@given(
    event=st.builds(
        NodeEvent,
        sequence=st.integers(0, 2**40),
        time_s=microseconds,
        happening=happenings,
    )
)
def test_an_event_survives_the_wire(event: NodeEvent) -> None:
    wire = event_to_message(event).SerializeToString()
    assert event_from_message(pb.WatchResponse.FromString(wire)) == event


@given(
    lines=st.builds(
        LogLines,
        pod=names,
        stream=st.sampled_from(["stdout", "stderr", "podnet"]),
        time_s=microseconds,
        lines=st.lists(st.binary(max_size=20), max_size=4).map(tuple),
    ),
    lost=st.integers(0, 1000),
)
def test_lines_survive_the_wire(lines: LogLines, lost: int) -> None:
    wire = lines_to_message(lines, lost).SerializeToString()
    assert lines_from_message(pb.LogsResponse.FromString(wire)) == (lines, lost)


@given(
    portal=st.builds(
        OpenPortal,
        portal_id=filled,
        service=filled,
        port=ports,
        host_port=ports,
        url=text,
        backends=st.lists(st.builds(PortalBackend, filled, addresses), max_size=3).map(tuple),
    )
)
def test_a_portal_survives_the_wire(portal: OpenPortal) -> None:
    wire = portal_to_message(portal).SerializeToString()
    assert portal_from_message(pb.Portal.FromString(wire)) == portal


@given(
    usage=st.builds(
        NodeUsage,
        process=st.builds(
            ProcessUsage,
            time_s=microseconds,
            resident_bytes=st.integers(0, 2**50),
            cpu_time_s=microseconds,
            memory_maps=st.integers(0, 2**31),
        ),
        running_pods=st.integers(0, 10**5),
        fabric_used_bytes=st.integers(0, 2**40),
        fabric_limit_bytes=st.integers(0, 2**40),
        pods=st.lists(
            st.builds(PodUsage, pod=names, cpu_time_s=microseconds, throttled_s=microseconds),
            max_size=3,
        ).map(tuple),
    )
)
def test_what_a_node_uses_survives_the_wire(usage: NodeUsage) -> None:
    wire = usage_to_message(usage).SerializeToString()
    assert usage_from_message(pb.StatisticsResponse.FromString(wire)) == usage


@given(wire=st.binary(max_size=80))
def test_no_bytes_can_break_the_reading_of_a_specification(wire: bytes) -> None:
    message = pb.PodSpec()
    try:
        message.ParseFromString(wire)
    except Exception:  # noqa: BLE001 - the library's own error, before anything of ours
        return
    with contextlib.suppress(InvalidMessageError):
        pod_spec_from_message(message)


def test_limits_that_are_absent_are_the_nodes_own() -> None:
    message = pod_spec_to_message(make_spec())
    message.ClearField("limits")
    assert pod_spec_from_message(message).limits == Limits()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../../etc/passwd"),
        ("name", ""),
        ("name", "Web"),
        ("service", ""),
        ("image", ""),
        ("working_dir", "app"),
    ],
)
def test_a_bad_field_is_named(field: str, value: str) -> None:
    message = pod_spec_to_message(make_spec())
    setattr(message, field, value)
    with pytest.raises(InvalidMessageError, match=f"field {field} "):
        pod_spec_from_message(message)


def test_a_command_with_nul_is_refused() -> None:
    message = pod_spec_to_message(make_spec())
    message.command.append("a\0b")
    with pytest.raises(InvalidMessageError, match="NUL"):
        pod_spec_from_message(message)


def test_a_network_needs_a_name_and_a_range() -> None:
    with pytest.raises(InvalidMessageError, match="subnet_cidr"):
        network_from_message(pb.Network(name="a", subnet_cidr="10.0.0.1/8"))
    with pytest.raises(InvalidMessageError, match="name"):
        network_from_message(pb.Network(subnet_cidr="10.0.0.0/8"))


def test_a_name_without_addresses_stays_a_name() -> None:
    assert names_from_message([names_pb2.NameRecord(name="api")]) == {"api": []}


def test_an_event_of_no_kind_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="event"):
        event_from_message(pb.WatchResponse())
