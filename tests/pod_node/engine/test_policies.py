"""Policies: the kernel's verdicts are NetworkPolicy's, in tables and between pods."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod_node.engine.errors import PolicyRefusedError
from pod_node.engine.fabric import Fabric
from pod_node.engine.policies import PolicyTables, Reason, Verdict, encode
from tests.support import wasi
from tests.support.configurations import group
from tests.support.lab import FRONT_GATEWAY, Lab, shared_compiler
from tests.support.nodes import TWICE
from tests.support.policies import Attempt, End, declare_group, declare_groups, denial
from tests.support.puppet import BUFFER, Puppet
from tests.support.wasi import Errno, FdFlag, Subscription
from vnet.configuration import (
    AddressBlock,
    Denial,
    Direction,
    NetworkConfiguration,
    Policy,
    PolicyRule,
    PortRange,
    Protocol,
)
from vnet.statistics import PolicyStatistics

FRONT, BACK = 1, 2
SCRATCH = BUFFER + 8192
GROUPS: dict[str, tuple[int, list[str]]] = {
    "web@front": (FRONT, ["10.10.0.2", "10.10.0.3"]),
    "api@front": (FRONT, ["10.10.0.4"]),
    "api@back": (BACK, ["10.20.0.4"]),
    "store@back": (BACK, ["10.20.0.5", "10.20.0.6"]),
}
ENDS = [End(IPv4Address(one), name) for name, (_, some) in GROUPS.items() for one in some]
OUTSIDE = [End(IPv4Address(one), None) for one in ("192.0.2.7", "192.0.2.200", "8.8.8.8")]
PORTS = [1, 80, 443, 8000, 8001, 65535]

blocks = st.builds(
    lambda block, holes: AddressBlock(
        block=block, excepted=tuple(hole for hole in holes if hole.subnet_of(block))
    ),
    st.sampled_from(
        [
            IPv4Network(one)
            for one in ("0.0.0.0/0", "10.0.0.0/8", "10.10.0.0/16", "10.20.0.4/31", "192.0.2.0/24")
        ]
    ),
    st.lists(
        st.sampled_from(
            [IPv4Network(one) for one in ("10.20.0.0/16", "10.10.0.2/31", "192.0.2.128/25")]
        ),
        max_size=2,
    ),
)
ranges = st.builds(
    lambda ports, protocol: PortRange(first=min(ports), last=max(ports), protocol=protocol),
    st.lists(st.sampled_from(PORTS), min_size=1, max_size=2),
    st.sampled_from(Protocol),
)
names = st.lists(st.sampled_from(list(GROUPS)), max_size=2).map(tuple)
rules = st.builds(
    PolicyRule,
    groups=names,
    blocks=st.lists(blocks, max_size=2).map(tuple),
    ports=st.lists(ranges, max_size=2).map(tuple),
)
policies = st.builds(
    Policy,
    name=st.uuids().map(str),
    groups=names,
    direction=st.sampled_from(Direction),
    rules=st.lists(rules, max_size=3).map(tuple),
    denial=st.sampled_from(Denial),
)
attempts = st.builds(
    Attempt,
    st.sampled_from(ENDS),
    st.sampled_from([*ENDS, *OUTSIDE]),
    st.sampled_from(Protocol),
    st.sampled_from(PORTS),
)


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(shared_compiler(), size_bytes=64 << 20)


@pytest.fixture(scope="module")
def numbers(fabric: Fabric) -> dict[str, int]:
    fabric.call("host_attach", FRONT, int(IPv4Address(FRONT_GATEWAY)), 16)
    return declare_groups(fabric, GROUPS)


@pytest.fixture(scope="module")
def tables(fabric: Fabric) -> PolicyTables:
    return PolicyTables(fabric)


def verdict_of(how: Denial | None) -> Verdict:
    return {None: Verdict.ALLOW, Denial.REJECT: Verdict.REJECT, Denial.DROP: Verdict.DROP}[how]


def check_reasons(policies: Sequence[Policy], tables: PolicyTables, attempt: Attempt) -> None:
    """Whatever a side is said to be allowed or denied by has the say there."""
    by_name = {policy.name: policy for policy in policies}
    ruling = tables.explain(
        attempt.source.address, attempt.target.address, attempt.protocol, attempt.port
    )
    for reason, direction, own in (
        (ruling.egress, Direction.EGRESS, attempt.source),
        (ruling.ingress, Direction.INGRESS, attempt.target),
    ):
        alone = [one for one in policies if one.direction is direction and own.group in one.groups]
        assert (reason is None) == (not alone)
        if reason is not None and reason.rule is not None:
            rule = by_name[reason.policy].rules[reason.rule]
            just = Policy(name="", groups=(own.group or "",), direction=direction, rules=(rule,))
            assert denial([just], attempt) is None
        elif reason is not None:
            assert reason.policy == alone[0].name


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(policies, max_size=6), wanted=st.lists(attempts, min_size=1, max_size=20))
def test_the_kernel_decides_as_network_policy_says(
    fabric: Fabric,
    numbers: dict[str, int],
    tables: PolicyTables,
    table: list[Policy],
    wanted: list[Attempt],
) -> None:
    tables.apply(table, numbers)
    for attempt in [*wanted, *wanted]:  # the second time from the cache
        if attempt.source == attempt.target:
            expected = Verdict.ALLOW
        else:
            expected = verdict_of(denial(table, attempt))
            check_reasons(table, tables, attempt)
        ruling = tables.explain(
            attempt.source.address, attempt.target.address, attempt.protocol, attempt.port
        )
        assert ruling.verdict is expected
    denied = sum(one.denied for one in tables.statistics())
    assert denied == 0, "explaining counts nothing"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_words_are_taken_or_refused(
    fabric: Fabric, numbers: dict[str, int], tables: PolicyTables, data: st.DataObject
) -> None:
    """The kernel trusts no length, not even the node's."""
    policy = data.draw(policies)
    words = list(struct.iter_unpack("<I", encode(policy, numbers)))
    values = [word for (word,) in words]
    at = data.draw(st.integers(0, len(values) - 1))
    values[at] = data.draw(st.sampled_from([0, 1, 2, 3, 1 << 16, 1 << 31, (1 << 32) - 1]))
    packed = struct.pack(f"<{len(values)}I", *values)
    fabric.view[fabric.staging : fabric.staging + len(packed)] = packed
    fabric.call("host_policies_begin", 1)
    result = fabric.try_call("host_policies_add", fabric.staging, len(values))
    assert result in (0, -22)
    if result == 0:
        fabric.call("host_policies_commit")
        for end in ENDS:
            number = int(end.address)
            assert fabric.call("host_policy_decide", number, int(ENDS[0].address), 6, 80) in (
                0,
                1,
                2,
            )
    fabric.call("host_policies_begin", 0)
    fabric.call("host_policies_commit")
    tables.apply([policy], numbers)
    tables.apply([], numbers)


def refusing(name: str, group: str, denial: Denial = Denial.REJECT) -> Policy:
    """A policy that lets nobody in."""
    return Policy(name=name, groups=(group,), direction=Direction.INGRESS, denial=denial)


def test_what_stays_keeps_its_counters(
    fabric: Fabric, numbers: dict[str, int], tables: PolicyTables
) -> None:
    web, store = refusing("web", "web@front"), refusing("store", "store@back")
    source, target = int(IPv4Address("10.10.0.4")), int(IPv4Address("10.10.0.2"))
    tables.apply([web], numbers)
    for _ in range(3):
        assert fabric.call("host_policy_decide", source, target, 6, 80) == Verdict.REJECT
    tables.apply([store, web], numbers)
    assert [(one.policy, one.denied) for one in tables.statistics()] == [("store", 0), ("web", 3)]
    assert fabric.call("host_policy_decide", source, target, 6, 80) == Verdict.REJECT
    opened = Policy(
        name="web", groups=("web@front",), direction=Direction.INGRESS, rules=(PolicyRule(),)
    )
    tables.apply([opened, store], numbers)
    assert fabric.call("host_policy_decide", source, target, 6, 80) == Verdict.ALLOW
    assert [(one.denied, one.allowed) for one in tables.statistics()] == [(0, (1,)), (0, ())]
    tables.apply([], numbers)
    assert tables.statistics() == []


def test_tables_come_and_go_without_a_trace(
    fabric: Fabric, numbers: dict[str, int], tables: PolicyTables
) -> None:
    tables.apply([], numbers)
    before = fabric.statistics()
    for size in (1, 7, 300, 2):
        tables.apply([refusing(f"{size}-{one}", "api@back") for one in range(size)], numbers)
    fabric.call("host_policies_begin", 4)
    tables.apply([], numbers)
    assert fabric.statistics() == before


def test_an_interface_that_changes_its_group_is_judged_anew(
    fabric: Fabric, numbers: dict[str, int], tables: PolicyTables
) -> None:
    tables.apply([refusing("api", "api@front")], numbers)
    source, target = IPv4Address("10.10.0.2"), IPv4Address("10.10.0.9")
    assert tables.explain(source, target, Protocol.TCP, 80).verdict is Verdict.ALLOW
    declare_group(fabric, numbers["api@front"], FRONT, ["10.10.0.4", "10.10.0.9"])
    ruling = tables.explain(source, target, Protocol.TCP, 80)
    assert (ruling.verdict, ruling.ingress) == (Verdict.REJECT, Reason("api", None))
    declare_group(fabric, numbers["api@front"], FRONT, ["10.10.0.4"])
    assert tables.explain(source, target, Protocol.TCP, 80).verdict is Verdict.ALLOW
    tables.apply([], numbers)


def test_the_nodes_own_interfaces_are_never_denied(
    numbers: dict[str, int], tables: PolicyTables
) -> None:
    shut = [
        Policy(name=direction.value, groups=tuple(GROUPS), direction=direction)
        for direction in Direction
    ]
    tables.apply(shut, numbers)
    pod, node = IPv4Address("10.10.0.2"), IPv4Address(FRONT_GATEWAY)
    assert tables.explain(node, pod, Protocol.TCP, 80).verdict is Verdict.ALLOW
    assert tables.explain(pod, node, Protocol.UDP, 53).verdict is Verdict.ALLOW
    assert tables.explain(pod, IPv4Address("10.10.0.3"), Protocol.TCP, 80).verdict is Verdict.REJECT
    assert tables.explain(pod, IPv4Address("192.0.2.1"), Protocol.TCP, 80).verdict is Verdict.REJECT
    named = tables.explain(pod, IPv4Address("198.18.0.1"), Protocol.TCP, 80)
    assert named.verdict is Verdict.ALLOW, "the gateway knows where it leads, and asks again"
    tables.apply([], numbers)


def test_a_policy_that_cannot_be_is_refused_and_changes_nothing(
    fabric: Fabric, numbers: dict[str, int], tables: PolicyTables
) -> None:
    tables.apply([refusing("web", "web@front")], numbers)
    with pytest.raises(PolicyRefusedError, match=r"policies\[1\].*nobody@front"):
        tables.apply([refusing("policies[1]", "nobody@front")], numbers)
    many = tuple(PolicyRule(ports=(PortRange(first=port),)) for port in range(60_000))
    with pytest.raises(PolicyRefusedError, match="bytes"):
        tables.apply(
            [Policy(name="large", groups=(), direction=Direction.EGRESS, rules=many)], numbers
        )
    with pytest.raises(PolicyRefusedError, match="4096"):
        tables.apply([refusing(str(one), "web@front") for one in range(4097)], numbers)
    ruling = tables.explain(IPv4Address("10.10.0.4"), IPv4Address("10.10.0.2"), Protocol.TCP, 80)
    assert ruling.verdict is Verdict.REJECT
    tables.apply([], numbers)


# --- between pods -------------------------------------------------------------------------------


class Office:
    """Two pods on one network, each in a group of its own: a client and a server that listens."""

    def __init__(self, pods: Lab, client: Puppet, server: Puppet, port: int) -> None:
        self.client, self.server, self.port = client, server, port
        self._pods = pods
        self._groups = (
            group("client@front", client.guest.address),
            group("server@front", server.guest.address),
        )

    @property
    def path(self) -> str:
        return f"tcp/connect/{self.server.guest.address}/{self.port}"

    def apply(self, *policies: Policy) -> None:
        configuration = NetworkConfiguration(groups=self._groups, policies=policies)
        self._pods.runtime.configure_network(configuration)

    def statistics(self) -> tuple[PolicyStatistics, ...]:
        return self._pods.runtime.network_statistics(flows=False).policies


@pytest.fixture
async def office(pods: Lab) -> Office:
    client, server = await pods.puppet(name="client"), await pods.puppet(name="server")
    listener = await server.listen()
    _, port = await server.local(listener)
    return Office(pods, client, server, port)


@TWICE
async def test_a_rejected_connection_is_refused(office: Office) -> None:
    office.apply(refusing("shut", "server@front"))
    assert await office.client.try_open_net(office.path) is Errno.CONNREFUSED
    assert await office.client.try_open_net(office.path, FdFlag.NONBLOCK) is Errno.CONNREFUSED
    assert office.statistics()[0].denied == 2
    office.apply()
    await office.client.open_net(office.path)


@TWICE
async def test_a_dropped_connection_is_never_answered(pods: Lab, office: Office) -> None:
    office.apply(refusing("dark", "server@front", denial=Denial.DROP))
    client = office.client
    sockets = pods.statistics()[1]
    waiting = await client.open_net(office.path, FdFlag.NONBLOCK)
    clock = wasi.subscribe_clock(20_000_000, userdata=1)
    writing = wasi.subscribe_fd(Subscription.WRITE, waiting, 2)
    assert [event.userdata for event in await client.poll(clock, writing)] == [1]
    ident = await client.socket_id(waiting)
    again = f"connect {ident} {office.server.guest.address} {office.port}"
    assert await client.try_command(again) is Errno.ALREADY
    await client.close(waiting)
    assert pods.statistics()[1] == sockets
    assert office.statistics()[0].denied == 1


@TWICE
async def test_a_client_is_killed_while_nobody_answers_it(office: Office) -> None:
    office.apply(refusing("dark", "server@front", denial=Denial.DROP))
    path = office.client.path(office.path)
    office.client.start("path_open", office.client.net, 0, *path, 0, 0, 0, 0, SCRATCH)
    await office.server.grow(0)
    await office.client.kill()


@TWICE
async def test_rules_open_ports_for_groups(office: Office) -> None:
    rule = PolicyRule(
        groups=("client@front",), ports=(PortRange(first=office.port, last=office.port),)
    )
    ingress = Policy(
        name="in", groups=("server@front",), direction=Direction.INGRESS, rules=(rule,)
    )
    egress = Policy(
        name="out", groups=("client@front",), direction=Direction.EGRESS, rules=(PolicyRule(),)
    )
    office.apply(ingress, egress)
    near = await office.client.open_net(office.path)
    await office.client.write(near, b"let in")
    other = await office.server.listen()
    _, port = await office.server.local(other)
    path = f"tcp/connect/{office.server.guest.address}/{port}"
    assert await office.client.try_open_net(path) is Errno.CONNREFUSED
    counters = {one.policy: (one.denied, one.allowed) for one in office.statistics()}
    assert counters == {"in": (1, (1,)), "out": (0, (1,))}


@TWICE
async def test_replies_pass_and_connections_that_are_there_stay(office: Office) -> None:
    near = await office.client.open_net(office.path)
    office.apply(refusing("in", "client@front"), refusing("shut", "server@front"))
    listener = 6
    far = await office.server.accept(listener)
    await office.client.write(near, b"question")
    assert await office.server.read(far) == b"question"
    await office.server.write(far, b"answer")
    assert await office.client.read(near) == b"answer"
    assert await office.client.try_open_net(office.path) is Errno.CONNREFUSED


@TWICE
async def test_a_pod_reaches_itself_whatever_policies_say(office: Office) -> None:
    office.apply(
        refusing("in", "server@front"),
        Policy(name="out", groups=("server@front",), direction=Direction.EGRESS),
    )
    server = office.server
    for address in ("127.0.0.1", server.guest.address):
        await server.open_net(f"tcp/connect/{address}/{office.port}")


@TWICE
async def test_the_node_reaches_a_pod_that_is_shut(pods: Lab, office: Office) -> None:
    office.apply(refusing("in", "server@front"))
    _, writer = await pods.runtime.endpoint.open_connection(
        office.server.guest.address, office.port
    )
    writer.close()
    assert await office.client.try_open_net(office.path) is Errno.CONNREFUSED


@TWICE
async def test_pods_of_other_networks_are_judged_where_they_are(pods: Lab) -> None:
    both = await pods.puppet(networks=("front", "back"))
    assert both.guest.pod is not None
    _, back = (str(one.address) for one in both.guest.pod.spec.interfaces)
    server = await pods.puppet(networks=("front", "back"))
    assert server.guest.pod is not None
    there = [str(one.address) for one in server.guest.pod.spec.interfaces]
    listener = await server.listen()
    _, port = await server.local(listener)
    rule = PolicyRule(blocks=(AddressBlock(block=IPv4Network(f"{back}/32")),))
    pods.runtime.configure_network(
        NetworkConfiguration(
            groups=(group("server@front", there[0]), group("server@back", there[1])),
            policies=(
                Policy(name="front", groups=("server@front",), direction=Direction.INGRESS),
                Policy(
                    name="back", groups=("server@back",), direction=Direction.INGRESS, rules=(rule,)
                ),
            ),
        )
    )
    assert await both.try_open_net(f"tcp/connect/{there[0]}/{port}") is Errno.CONNREFUSED
    assert await both.open_net(f"tcp/connect/{there[1]}/{port}")


@TWICE
async def test_tables_change_while_pods_connect(pods: Lab, office: Office) -> None:
    """A verdict is that of one whole table, and no table that was in force is used when freed."""
    opened = Policy(
        name="in", groups=("server@front",), direction=Direction.INGRESS, rules=(PolicyRule(),)
    )
    tables = [
        (opened,),
        (refusing("in", "server@front"),),
        (refusing("in", "server@front"), opened),
        (),
    ]
    outcomes = set()
    for turn in range(200):
        office.client.start(
            "path_open", office.client.net, 0, *office.client.path(office.path), 0, 0, 0,
            FdFlag.NONBLOCK, SCRATCH,
        )  # fmt: skip
        office.apply(*tables[turn % len(tables)])
        outcome = Errno(await office.client.answer())
        outcomes.add(outcome)
        if outcome is Errno.SUCCESS:
            await office.client.close(await office.client.peek_u32(SCRATCH))
        await asyncio.sleep(0)
    assert outcomes == {Errno.SUCCESS, Errno.CONNREFUSED}
