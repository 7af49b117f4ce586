from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

import pytest

from orchestrator.topology.schema import GilbertElliottSection, LinkSection, Topology
from orchestrator.topology.values import LinkDirection
from vnet.configuration import Denial, Distribution, PortRange, Protocol

Load = Callable[..., Topology]
Say = Callable[..., list[str]]

SERVICES = """name: t
networks: {front: {subnet: 10.1.0.0/24}, back: {subnet: 10.2.0.0/24}}
services:
  web: {image: x, networks: [front]}
  gw: {image: x, networks: [front, back], router: true}
  api: {image: x, networks: [back], deploy: {replicas: 2}}
"""
LINK = "links: [{{endpoints: [gw, api], {}}}]"


def link(load: Load, keys: str) -> LinkSection:
    return load(SERVICES + LINK.format(keys)).links[0]


def test_a_link_has_netems_words_and_units(load: Load) -> None:
    section = link(
        load,
        "delay: 20ms, jitter: 5ms, distribution: normal, loss: 0.1%, rate: 10mbit, limit: 50, "
        "mtu: 1400, duplicate: 1%, reorder: 2%, corrupt: 3%, direction: backward, network: back",
    )
    assert (section.delay, section.jitter, section.loss) == (0.02, 0.005, 0.001)
    assert (section.rate, section.limit, section.mtu) == (10_000_000, 50, 1400)
    assert (section.duplicate, section.reorder, section.corrupt) == (0.01, 0.02, 0.03)
    assert section.distribution is Distribution.NORMAL
    assert section.direction is LinkDirection.BACKWARD
    assert (section.endpoints, section.network) == (("gw", "api"), "back")


def test_what_a_link_does_not_say_is_not_given(load: Load) -> None:
    section = link(load, "delay: 0")
    assert section.delay == 0
    assert (section.jitter, section.loss, section.rate, section.gemodel) == (None,) * 4
    assert section.direction is LinkDirection.BOTH


@pytest.mark.parametrize(
    "text", ["{p: 1%, r: 10%, 1-h: 50%, 1-k: 2%}", "1% 10% 50% 2%", '"1%,10%,50%,2%"']
)
def test_loss_in_bursts_is_a_mapping_or_netems_words(load: Load, text: str) -> None:
    assert link(load, f"gemodel: {text}").gemodel == GilbertElliottSection.model_validate(
        {"p": "1%", "r": "10%", "1-h": "50%", "1-k": "2%"}
    )


def test_loss_in_bursts_has_netems_defaults(load: Load) -> None:
    bursts = link(load, "gemodel: {p: 1%, r: 10%}").gemodel
    assert bursts is not None
    assert (bursts.loss_in_bad, bursts.loss_in_good) == (1.0, 0.0)


def test_policies_have_networkpolicys_words(load: Load) -> None:
    rules = (
        "policies: [{service: api, deny: drop, egress: [], ingress: ["
        "{from: [web, {network: front}, {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}], "
        "ports: [8000, 8100-8200, 53/udp]}]}]"
    )
    (policy,) = load(SERVICES + rules).policies
    assert (policy.deny, policy.egress) == (Denial.DROP, ())
    assert policy.ingress is not None
    (rule,) = policy.ingress
    web, front, block = rule.peers
    assert (web.service, front.network) == ("web", "front")
    assert (block.cidr, block.excepted) == (
        IPv4Network("10.0.0.0/8"),
        (IPv4Network("10.1.0.0/16"),),
    )
    assert rule.ports == (
        PortRange(first=8000, last=8000),
        PortRange(first=8100, last=8200),
        PortRange(first=53, last=53, protocol=Protocol.UDP),
    )


def test_a_direction_that_a_policy_does_not_name_is_left_alone(load: Load) -> None:
    (policy,) = load(SERVICES + "policies: [{network: back, ingress: [{}]}]").policies
    assert policy.egress is None
    assert policy.ingress is not None
    assert (policy.ingress[0].peers, policy.ingress[0].ports) == ((), ())
    assert policy.deny is Denial.REJECT


def test_egress_rules_name_hosts_wildcards_and_blocks(load: Load) -> None:
    allow = '["API.example.com:443", "*.example.com:443", "192.0.2.0/24:80", "192.0.2.1:81"]'
    text = f"egress: [{{service: api, allow: {allow}, limits: {{connections: 5, bytes: 10M}}}}]"
    (egress,) = load(SERVICES + text).egress
    assert [(rule.name, rule.block, rule.ports.first) for rule in egress.allow] == [
        ("api.example.com", None, 443),
        ("*.example.com", None, 443),
        ("", IPv4Network("192.0.2.0/24"), 80),
        ("", IPv4Network("192.0.2.1/32"), 81),
    ]
    assert (egress.limits.connections, egress.limits.bytes) == (5, 10 * 1024**2)


def test_a_schedule_holds_one_change_in_each_entry(load: Load) -> None:
    text = """schedule:
  - {at: 1s, partition: [web, [gw, api]], oneway: true, duration: 5s, name: cut}
  - {at: 2s, link: [gw, api], set: {delay: 200ms}, direction: forward}
  - {at: 3s, kill: api-2}
  - {at: 4s, heal: all}
"""
    partition, change, kill, heal = load(SERVICES + text).schedule
    assert partition.partition == (("web",), ("gw", "api"))
    assert (partition.at, partition.duration, partition.oneway) == (1.0, 5.0, True)
    assert change.link == ("gw", "api")
    assert change.changes is not None
    assert change.changes.delay == 0.2
    assert (kill.kill, heal.heal) == (("api-2",), "all")


def test_a_seed_is_a_number_of_64_bits(load: Load, say: Say) -> None:
    assert load(SERVICES + f"seed: {2**64 - 1}").seed == 2**64 - 1
    assert load(SERVICES).seed == 0
    (problem,) = say(SERVICES + f"seed: {2**64}")
    assert "seed: must be between 0 and 18,446,744,073,709,551,615" in problem


MISTAKES = [
    (LINK.format("delay: 20"), 'links[0].delay: duration "20" has no unit'),
    (LINK.format("delay: 2h"), "links[0].delay: must be between 0s and 3600s"),
    (LINK.format("dela: 20ms"), 'links[0].dela: unknown key "dela"; did you mean "delay"?'),
    (LINK.format("latency: 20ms"), '"latency" is not yet supported; write "delay: 20ms"'),
    (LINK.format("loss: 1"), 'links[0].loss: percentage "1" has no unit; write "1%"'),
    (LINK.format("loss: 101%"), "links[0].loss: must be between 0% and 100%"),
    (LINK.format("corrupt: -1%"), "links[0].corrupt: must be between 0% and 100%"),
    (LINK.format("rate: 10mb"), 'links[0].rate: expected a rate with a unit, such as "512kbit"'),
    (LINK.format("mtu: 100"), "links[0].mtu: must be between 576 and 65,535"),
    (LINK.format("limit: 1.5"), 'links[0].limit: expected a whole number, found "1.5"'),
    (LINK.format("distribution: nomal, delay: 1s"), 'did you mean "normal"?'),
    (LINK.format("direction: up"), 'links[0].direction: unknown value "up"; values: both,'),
    (LINK.format("gemodel: 1%"), 'links[0].gemodel: expected "P R 1-H 1-K"'),
    (LINK.format("gemodel: {p: 1%}"), 'links[0].gemodel: the key "r" is missing'),
    (LINK.format("gemodel: {p: 1%, r: 1%, 1-hh: 1%}"), 'key "1-hh"; did you mean "1-h"?'),
    ("links: [{endpoints: [gw]}]", "links[0].endpoints: a link has two ends"),
    ("links: [{delay: 1s}]", 'links[0]: the key "endpoints" is missing'),
    ("policies: [{service: api}]", 'policies[0]: expected "ingress", "egress" or both'),
    ("policies: [{ingress: []}]", 'policies[0]: expected one of "service" and "network"'),
    (
        "policies: [{service: api, network: back, ingress: []}]",
        'policies[0]: expected one of "service" and "network"',
    ),
    (
        "policies: [{service: api, ingress: [{to: [web]}]}]",
        'policies[0].ingress[0].to: "to" is not yet supported; rules of "ingress" have "from"',
    ),
    (
        "policies: [{service: api, ingress: [{frm: [web]}]}]",
        'ingress[0].frm: unknown key "frm"; did you mean "from"?',
    ),
    (
        "policies: [{service: api, ingress: [{from: [{}]}]}]",
        "ingress[0].from[0]: expected one of: a service's name",
    ),
    (
        "policies: [{service: api, ingress: [{from: [{cidr: 10.0.0.1/8}]}]}]",
        "does not start at its first address; did you mean 10.0.0.0/8?",
    ),
    (
        "policies: [{service: api, ingress: [{from: [{network: back, except: [10.0.0.0/8]}]}]}]",
        '"except" makes holes in a "cidr" only',
    ),
    (
        "policies: [{service: api, ingress: [{from: [{cidr: 10.0.0.0/8, except: [11.0.0.0/8]}]}]}]",
        "the exception 11.0.0.0/8 does not lie in 10.0.0.0/8",
    ),
    ("policies: [{service: api, ingress: [{ports: [0]}]}]", 'ports[0]: port "0" is not between 1'),
    ("policies: [{service: api, ingress: [{ports: [9-8]}]}]", 'is empty; write "8-9"'),
    ("policies: [{service: api, ingress: [{ports: [5/tpc]}]}]", 'did you mean "tcp"?'),
    (
        "policies: [{service: api, ingress: [{ports: [{first: 0, last: 9}]}]}]",
        "ports[0]: expected a word, found a mapping",
    ),
    ("policies: [{service: api, ingress: [{ports: [http]}]}]", "expected a port such as 8000"),
    ("egress: [{service: api, allow: [a.org]}]", '"a.org" does not end with a colon and a port'),
    ('egress: [{service: api, allow: ["a.*.b:1"]}]', "write it like api.example.com:443, *.exa"),
    ('egress: [{service: api, allow: ["a*.b:1"]}]', 'has "a*.b" where a host name should be'),
    ('egress: [{service: api, allow: ["a:0"]}]', "has ports that are not from 1 to 65535"),
    ('egress: [{service: api, allow: ["::1:1"]}]', "has an IPv6 address without brackets"),
    ('egress: [{service: api, allow: ["10.0.0.1/8:1"]}]', "names no block of addresses"),
    ("egress: [{service: api}]", 'egress[0]: the key "allow" is missing'),
    ("schedule: [{kill: api}]", 'schedule[0]: the key "at" is missing'),
    ("schedule: [{at: 1s}]", "schedule[0]: expected one of partition, hold, link, heal"),
    ("schedule: [{at: 1s, kill: api, pause: api}]", "found kill and pause"),
    ("schedule: [{at: 1s, kill: api, duration: 1s}]", '"duration" means nothing to "kill"'),
    ("schedule: [{at: 1s, link: [gw, api]}]", 'a link needs one of "set: {delay: 20ms}" and'),
    (
        "schedule: [{at: 1s, link: [gw, api], reset: true, duration: 1s}]",
        "a reset has no duration",
    ),
    ("schedule: [{at: 1s, partition: [[web]]}]", "expected two or more groups of pods"),
    (
        "schedule: [{at: 1s, partition: [[web], [api]], name: a b}]",
        '"a b" cannot name a partition or a hold',
    ),
    ("schedule: [{at: 1s, every: 5s, kill: api}]", '"every" is not yet supported'),
    ("networks: {front: {link: {delay: 1}}}", "is already on line"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_told_once_with_the_remedy(say: Say, text: str, said: str) -> None:
    problems = say(SERVICES + text + "\n")
    assert [said in problem for problem in problems] == [True], problems
