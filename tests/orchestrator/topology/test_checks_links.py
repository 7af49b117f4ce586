"""Relations between links, policies, schedules and services: what does not fit is told in place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Say = Callable[..., list[str]]

SERVICES = """name: t
networks: {front: {subnet: 10.1.0.0/24}, back: {subnet: 10.2.0.0/24}}
services:
  web: {image: x, networks: [front], deploy: {replicas: 2}}
  gw: {image: x, networks: [front, back]}
  db: {image: x, networks: [front, back]}
  api: {image: x, networks: [back], deploy: {replicas: 2}}
"""

LINKS = [
    ("[web, api]", "links[0].endpoints", '"web" and "api" share no network'),
    ("[gw, db]", "links[0].endpoints", "share several networks (front, back); say which"),
    ("[gw, ap]", "links[0].endpoints[1]", 'unknown service or pod "ap"; did you mean "api"?'),
    ("[gw, api-3]", "links[0].endpoints[1]", 'service "api" has replicas 1 to 2'),
    ("[gw, api-0]", "links[0].endpoints[1]", 'unknown service or pod "api-0"'),
    ("[api, api]", "links[0].endpoints", "name two different pods or services"),
    ("[api, api-1]", "links[0].endpoints", "name two different pods or services"),
    ("[gw, api], network: front", "links[0].network", 'are not both on network "front"'),
    ("[gw, api], network: frnt", "links[0].network", 'did you mean "front"?'),
    ("[gw, api], jitter: 1ms", "links[0].jitter", "1ms of jitter need a delay"),
    ("[gw, api], delay: 1ms, jitter: 2ms", "links[0].jitter", "2ms is more than the delay of 1ms"),
    (
        "[gw, api], reorder: 1%",
        "links[0].reorder",
        "needs a delay that the chosen packets can skip",
    ),
    ("[gw, api], loss: 1%, gemodel: 1% 9%", "links[0].gemodel", 'replaces "loss"; keep one'),
    ("[gw, api]}, {endpoints: [api, gw]", "links[1].endpoints", "links[0] is a link between these"),
    (
        "[gw, api], direction: forward}, {endpoints: [api, gw], direction: backward",
        "links[1].endpoints",
        "links[0] is a link between these two already; make the two one",
    ),
]


@pytest.mark.parametrize(("keys", "place", "said"), LINKS)
def test_a_link_that_does_not_fit_is_told_in_its_place(
    say: Say, keys: str, place: str, said: str
) -> None:
    (problem,) = say(f"{SERVICES}links: [{{endpoints: {keys}}}]\n")
    assert f" {place}: " in problem
    assert said in problem


@pytest.mark.parametrize(
    "links",
    [
        "{endpoints: [gw, api], direction: forward}, {endpoints: [api, gw], direction: forward}",
        "{endpoints: [gw, api]}, {endpoints: [gw, api-1]}, {endpoints: [api-1, api-2]}",
        "{endpoints: [gw, db], network: front}, {endpoints: [gw, db], network: back}",
        "{endpoints: [gw, api], loss: 0, gemodel: 1% 9%}",
        "{endpoints: [gw, api], delay: 5ms, jitter: 5ms, reorder: 1%}",
    ],
)
def test_links_that_fit_are_left_in_peace(say: Say, links: str) -> None:
    assert not say(f"{SERVICES}links: [{links}]\n")


def test_the_interfaces_own_link_is_checked_like_any_other(say: Say) -> None:
    text = SERVICES.replace("subnet: 10.2.0.0/24", "link: {delay: 1ms, jitter: 2ms}")
    (problem,) = say(text)
    assert "networks.back.link.jitter: 2ms is more than the delay of 1ms" in problem


def test_a_broken_value_is_not_missed_by_what_needs_it(say: Say) -> None:
    (problem,) = say(f"{SERVICES}links: [{{endpoints: [gw, api], delay: 5, jitter: 1ms}}]\n")
    assert 'duration "5" has no unit' in problem
    (problem,) = say(SERVICES.replace("2}", "two}", 1) + "links: [{endpoints: [web-2, gw]}]\n")
    assert "expected a whole number" in problem


POLICIES = [
    ("policies: [{service: ap, ingress: []}]", 'policies[0].service: unknown service "ap"; did'),
    ("policies: [{service: api-1, ingress: []}]", 'unknown service "api-1"; did you mean "api"?'),
    ("policies: [{network: bak, ingress: []}]", 'policies[0].network: unknown network "bak"; did'),
    (
        "policies: [{service: api, ingress: [{from: [wbe]}]}]",
        'policies[0].ingress[0].from[0]: unknown service "wbe"; did you mean "web"?',
    ),
    (
        "policies: [{service: api, egress: [{to: [{network: fornt}]}]}]",
        'policies[0].egress[0].to[0].network: unknown network "fornt"; did you mean "front"?',
    ),
    ('egress: [{service: ap, allow: ["a:1"]}]', 'egress[0].service: unknown service "ap"; did'),
    (
        'egress: [{service: api, allow: ["a:1"]}, {service: api, allow: ["b:1"]}]',
        'egress[1].service: egress[0] is about "api" already; make the two one',
    ),
]


@pytest.mark.parametrize(("text", "said"), POLICIES)
def test_a_policy_for_nobody_is_told(say: Say, text: str, said: str) -> None:
    (problem,) = say(SERVICES + text + "\n")
    assert said in problem


SCHEDULES = [
    ("{at: 1s, kill: api-3}", 'schedule[0].kill[0]: unknown service or pod "api-3"'),
    ("{at: 1s, pause: [api, apo]}", 'schedule[0].pause[1]: unknown service or pod "apo"; did you'),
    ("{at: 1s, resume: x}", 'schedule[0].resume[0]: unknown service or pod "x"'),
    ("{at: 1s, link: [web, api], set: {delay: 1s}}", "schedule[0].link: "),
    ("{at: 1s, link: [gw, db], set: {delay: 1s}}", "schedule[0].link: "),
    ("{at: 1s, link: [gw, x], reset: true}", 'schedule[0].link[1]: unknown service or pod "x"'),
    (
        "{at: 1s, link: [gw, api], set: {jitter: 1s}}",
        "schedule[0].set.jitter: 1s of jitter need a delay",
    ),
    (
        "{at: 1s, link: [gw, api], set: {delay: 1s}, duration: 1s}, "
        "{at: 2s, link: [gw, api], set: {jitter: 1s}}",
        "schedule[1].set.jitter: 1s of jitter need a delay",
    ),
    (
        "{at: 1s, link: [gw, api], set: {loss: 1%, gemodel: 1% 1%}}",
        'schedule[0].set.gemodel: replaces "loss"',
    ),
    ("{at: 2s, kill: web}, {at: 1s, kill: web}", "schedule[1].at: stands after an entry at 2s"),
    (
        "{at: 1s, partition: [[web, api-1], [api]]}",
        'schedule[0].partition[1][0]: "api" is in another group already',
    ),
    ("{at: 1s, hold: [[web], [x]]}", 'schedule[0].hold[1][0]: unknown service or pod "x"'),
    (
        "{at: 1s, partition: [[web], [api], [gw]], oneway: true}",
        "schedule[0].partition: one way needs exactly two groups",
    ),
    (
        "{at: 1s, partition: [[web], [api]], name: cut}, {at: 2s, heal: cat}",
        'schedule[1].heal: no partition before this is called "cat"; did you mean "cut"?',
    ),
    (
        "{at: 1s, partition: [[web], [api]], name: cut}, {at: 2s, release: cut}",
        'schedule[1].release: no hold before this is called "cut"; names so far: all',
    ),
    (
        "{at: 1s, hold: [[web], [api]], name: cut, duration: 1s}, {at: 2s, release: cut}",
        'schedule[1].release: the hold "cut" is over at 2s already; remove this',
    ),
    (
        "{at: 1s, hold: [[web], [api]], name: a}, {at: 2s, hold: [[web], [gw]], name: a}",
        'schedule[1].name: "a" is taken already; choose another name',
    ),
]


@pytest.mark.parametrize(("entries", "said"), SCHEDULES)
def test_a_schedule_that_cannot_be_kept_is_refused(say: Say, entries: str, said: str) -> None:
    (problem,) = say(f"{SERVICES}schedule: [{entries}]\n")
    assert said in problem


def test_a_scheduled_change_may_build_on_those_before_it(say: Say) -> None:
    entries = """schedule:
  - {at: 1s, link: [gw, api], set: {delay: 100ms}, duration: 10s}
  - {at: 2s, link: [gw, api-1], set: {jitter: 50ms}}
  - {at: 2s, partition: [[web], [api]], name: cut}
  - {at: 3s, heal: cut}
  - {at: 3s, heal: all}
"""
    assert not say(SERVICES + entries)
