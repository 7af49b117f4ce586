"""The kernel's own C, natively: unit tests, stress under two sanitizers, and arbitrary calls.

Seeds are new in every run; a failure prints the command that repeats it.
"""

from __future__ import annotations

import re
import secrets

import pytest

from tests.native import programs
from tests.native.programs import KERNEL, Sanitizer, built

pytestmark = pytest.mark.timeout(300)  # the first ones compile, on a machine with other work too

ROUNDS = {
    "streams": 1,
    "storm": 24,
    "pending": 40,
    "resets": 12,
    "kill": 30,
    "pause": 6,
    "processes": 12,
    "inherit": 12,
    "ring": 40,
    "timers": 2,
    "starved": 20,
    "watch": 10,
    "names": 10,
    "policies": 4,
    "outside": 12,
    "trunk": 12,
    "datagrams": 2,
    "interfaces": 6,
    "detach": 3,
    "hidden": 4,
    "memory": 1,
}
"""How often a scenario is repeated: about a second under ThreadSanitizer on two cores."""

FUZZ_INPUTS = 4000

LINK_PARTS = ("luck", "rates", "paths", "heap")
LINK_ROUNDS = 60

FLOW_PARTS = ("table", "lives", "losses")
CHAOS_ROUNDS = 40
CONVERTED_CHUNKS = 12
"""Of 64 KiB, in each direction of each connection."""


def fresh_seed() -> str:
    return str(secrets.randbelow(1 << 32))


@pytest.mark.parametrize("sanitizer", list(Sanitizer), ids=lambda value: value.name.lower())
@pytest.mark.parametrize("scenario", ROUNDS)
def test_guests_on_threads_agree_and_leave_nothing(scenario: str, sanitizer: Sanitizer) -> None:
    rounds = str(ROUNDS[scenario])
    run = programs.run(built(sanitizer) / "stress", scenario, fresh_seed(), rounds)
    assert run.status == 0, str(run)


def test_arbitrary_calls_do_no_harm() -> None:
    driver = built(Sanitizer.ADDRESS) / "fuzz"
    run = programs.run(driver, fresh_seed(), "0", str(FUZZ_INPUTS))
    assert run.status == 0, str(run)


def test_pure_parts_of_the_fabric() -> None:
    run = programs.run(built(Sanitizer.ADDRESS) / "units")
    assert run.status == 0, str(run)


@pytest.mark.parametrize("part", LINK_PARTS)
def test_links_do_what_they_are_told(part: str) -> None:
    run = programs.run(built(Sanitizer.ADDRESS) / "links", part)
    assert run.status == 0, str(run)


def test_arbitrary_traffic_on_arbitrary_links_is_accounted_for() -> None:
    driver = built(Sanitizer.ADDRESS) / "links"
    run = programs.run(driver, "traffic", fresh_seed(), str(LINK_ROUNDS))
    assert run.status == 0, str(run)


@pytest.mark.parametrize("sanitizer", list(Sanitizer), ids=lambda value: value.name.lower())
def test_senders_the_pacer_and_the_node_agree_on_links(sanitizer: Sanitizer) -> None:
    run = programs.run(built(sanitizer) / "links", "threads", fresh_seed(), str(LINK_ROUNDS))
    assert run.status == 0, str(run)


def test_every_call_of_the_kernel_is_driven() -> None:
    sources = [path.read_text(encoding="ascii") for path in sorted(KERNEL[1].glob("*.c"))]
    defined = set(re.findall(r"^WASI_CALL\((\w+)", "".join(sources), re.MULTILINE))
    header = (programs.HERE / "calls.h").read_text(encoding="ascii")
    assert set(re.findall(r"^\tCALL\((\w+)", header, re.MULTILINE)) == defined


def test_every_scenario_of_the_driver_is_run() -> None:
    header = (programs.HERE / "stress.h").read_text(encoding="ascii")
    assert set(re.findall(r"^\tSCENARIO\((\w+)\)", header, re.MULTILINE)) == set(ROUNDS)


@pytest.mark.parametrize("part", FLOW_PARTS)
def test_tcp_over_paths_does_what_theory_and_linux_say(part: str) -> None:
    run = programs.run(built(Sanitizer.ADDRESS) / "flows", part)
    assert run.status == 0, str(run)


def test_tcp_delivers_over_arbitrary_links_and_leaves_nothing() -> None:
    driver = built(Sanitizer.ADDRESS) / "flows"
    run = programs.run(driver, "chaos", fresh_seed(), str(CHAOS_ROUNDS))
    assert run.status == 0, str(run)


def test_a_flow_whose_last_bytes_count_as_acknowledged_when_it_is_cut_anew_ends() -> None:
    run = programs.run(built(Sanitizer.ADDRESS) / "flows", "chaos", "274970029", "10")
    assert run.status == 0, str(run)


@pytest.mark.parametrize("sanitizer", list(Sanitizer), ids=lambda value: value.name.lower())
def test_connections_are_converted_under_traffic(sanitizer: Sanitizer) -> None:
    driver = built(sanitizer) / "flows"
    run = programs.run(driver, "conversions", fresh_seed(), str(CONVERTED_CHUNKS))
    assert run.status == 0, str(run)
