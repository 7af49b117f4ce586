"""`ps`, `portal`, `port`, `top` and `stats` against a running deployment."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.listing import (
    Filters,
    age_text,
    chosen_pods,
    read_filters,
    remarks,
    uptime_s,
)
from orchestrator.cli.main import main
from orchestrator.lifecycle.rollout import RolloutState, RolloutView
from orchestrator.views.phases import Phase, PodView
from tests.support.deployments import RunningDeployment, deployment_in_background
from tests.support.pods import make_spec
from tests.support.serving import short_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Output = pytest.CaptureFixture[str]
TOPOLOGY = """
name: test
services:
  web: {image: python, ports: ["8000", "9000"], deploy: {replicas: 2}, restart: always}
  job: {image: python}
  api: {image: python}
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def deployment(folder: Path) -> Iterator[RunningDeployment]:
    with deployment_in_background(folder, TOPOLOGY) as deployment:
        job, web = deployment.runtime.pods["job-1"], deployment.runtime.pods["web-2"]
        deployment.call(lambda: job.exit(0))
        deployment.call(lambda: web.exit(3))
        deployment.wait_until(lambda: deployment.runtime.pods["web-2"] is not web)
        deployment.wait_until(lambda: phase(deployment, "job-1") is Phase.EXITED)
        deployment.wait_until(lambda: phase(deployment, "web-2") is Phase.RUNNING)
        yield deployment


def test_updates_that_are_not_over_and_a_lost_node_are_remarked(
    deployment: RunningDeployment,
) -> None:
    view = replace(
        deployment.control.describe(),
        node_loss="node lost (signal SIGKILL)",
        rollouts=(
            RolloutView(
                service="web",
                state=RolloutState.PAUSED,
                updated=1,
                total=3,
                reason="web-1 is exited (3)",
                revision=4,
            ),
            RolloutView(service="api", state=RolloutState.COMPLETED, updated=1, total=1),
        ),
    )
    assert list(remarks("test", view)) == [
        "test: web: paused, 1 of 3 pods replaced: web-1 is exited (3) (to revision 4)",
        "test: node lost (signal SIGKILL); its pods were started again",
    ]
    assert list(remarks("test", replace(view, rollouts=(), node_loss=""))) == []


def phase(deployment: RunningDeployment, name: str) -> Phase:
    pods = deployment.control.describe().pods
    return next(pod.phase for pod in pods if pod.spec.name == name)


@pytest.fixture(autouse=True)
def state(deployment: RunningDeployment, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODNET_STATE", str(folder))


def good(capsys: Output, *words: str) -> str:
    status = main(words)
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return str(out)


def test_pods_are_listed_with_what_matters(capsys: Output) -> None:
    head, *lines = good(capsys, "ps").splitlines()
    assert head.split() == [
        *("DEPLOYMENT", "NAME", "STATUS", "AGE", "BOOT", "RESTARTS", "ADDRESS", "PORTS", "MACHINE")
    ]
    assert [line.split()[1] for line in lines] == ["web-1", "web-2", "api-1"]
    assert " running " in lines[0]
    assert " up " in lines[0]
    assert "->8000" in lines[0]


def test_pods_that_ended_well_are_listed_on_demand(capsys: Output) -> None:
    assert "job-1" not in good(capsys, "ps", "-q")
    assert "job-1" in good(capsys, "ps", "-q", "-a")
    assert good(capsys, "ps", "-q", "--filter", "status=exited") == "job-1\n"
    assert " ago " in good(capsys, "ps", "--filter", "name=job-1", "-a")


def test_filters_choose_by_status_service_and_name(capsys: Output) -> None:
    assert good(capsys, "ps", "-q", "--filter", "service=web") == "web-1\nweb-2\n"
    both = ("--filter", "service=web", "--filter", "name=web-2")
    assert good(capsys, "ps", "-q", *both) == "web-2\n"
    either = ("--filter", "name=web-1", "--filter", "name=api-1")
    assert good(capsys, "ps", "-q", *either) == "web-1\napi-1\n"
    assert good(capsys, "ps", "-q", "--filter", "status=paused") == ""


def test_services_are_counted(capsys: Output) -> None:
    rows = json.loads(good(capsys, "ps", "--services", "--format", "json"))
    web, job, _ = rows
    assert (web["service"], web["desired"], web["pods"], web["ready"]) == ("web", 2, 2, 2)
    assert web["restarts"] == 1
    assert len(web["portals"]) == 2
    assert (job["desired"], job["pods"], job["ready"]) == (1, 0, 0)
    assert "DESIRED" in good(capsys, "ps", "--services")


def test_programs_get_every_fact(capsys: Output) -> None:
    pods = {pod["name"]: pod for pod in json.loads(good(capsys, "ps", "-a", "--format", "json"))}
    web, job = pods["web-2"], pods["job-1"]
    assert (web["status"], web["ready"], web["restarts"]) == ("running", True, 1)
    assert web["uptime_s"] >= 0
    assert web["started_at"].endswith("Z")
    assert web["machine"]
    assert (job["status"], job["exit_status"]) == ("exited", 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--filter", "status"), "is no filter; write status=... or service=..."),
        (("--filter", "colour=red"), "is no filter"),
        (("--filter", "status=runing"), 'no status "runing"; did you mean "running"?'),
        (("nobody",), 'no deployment "nobody" runs'),
    ],
)
def test_what_makes_no_sense_is_a_clear_error(
    capsys: Output, words: tuple[str, ...], message: str
) -> None:
    assert main(["ps", *words]) in (1, 2)
    assert message in capsys.readouterr().err


def test_a_portal_is_opened_found_and_closed(capsys: Output) -> None:
    listed = good(capsys, "portal", "ls")
    assert listed.count("http://") == 2
    assert all("topology  web-1" in line for line in listed.splitlines()[1:]), listed
    url = good(capsys, "portal", "open", "api:7000").strip()
    assert "-api-7000.localhost:" in url
    assert good(capsys, "portal", "open", "api:7000").strip() == url, "it is open already"
    assert good(capsys, "port", "api", "7000").strip() == url.removeprefix("http://").rstrip("/")
    (row,) = [
        portal
        for portal in json.loads(good(capsys, "portal", "ls", "--format", "json"))
        if portal["service"] == "api"
    ]
    assert [backend["pod"] for backend in row["backends"]] in ([], ["api-1"])
    assert good(capsys, "portal", "close", "api:7000") == "closed: api:7000\n"
    assert main(["port", "api", "7000"]) == 1
    assert 'open one with "podnet portal open api:7000"' in capsys.readouterr().err


def test_a_portal_of_the_topology_can_be_closed_and_opened_again(capsys: Output) -> None:
    before = good(capsys, "port", "web", "9000")
    assert good(capsys, "portal", "close", "web:9000") == "closed: web:9000\n"
    assert good(capsys, "port", "web", "8000")
    assert main(["port", "web", "9000"]) == 1
    assert "portals lead to 8000" in capsys.readouterr().err
    again = good(capsys, "portal", "open", "web:9000")
    assert again.startswith("http://")
    assert before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("open", "web"), '"web" is no SERVICE:PORT'),
        (("open", "wep:80"), 'did you mean "web"?'),
        (("close", "api"), "no portal leads to api; see podnet portal ls"),
        (("close", "web:1"), "no portal leads to port 1 of web"),
    ],
)
def test_a_portal_that_cannot_be_is_a_clear_error(
    capsys: Output, words: tuple[str, ...], message: str
) -> None:
    assert main(["portal", *words]) in (1, 2)
    assert message in capsys.readouterr().err


def test_use_of_resources_is_shown_once_and_for_programs(capsys: Output) -> None:
    for verb in ("top", "stats"):
        text = good(capsys, verb, "--no-stream")
        assert "MEMORY" in text
        assert "web-1" in text
    line = json.loads(good(capsys, "stats", "--no-stream", "--format", "json"))
    assert line["deployment"] == "test"
    assert {pod["name"] for pod in line["pods"]} >= {"web-1", "web-2", "api-1"}
    assert line["node"]["fabric_limit_bytes"] == 1000
    some = good(capsys, "stats", "--no-stream", "web", "api-1")
    assert [word for word in some.split() if word[-2:] in ("-1", "-2")] == [
        "web-1",
        "web-2",
        "api-1",
    ]
    assert main(["stats", "nobody", "--no-stream"]) == 1
    assert 'nothing here is called "nobody"' in capsys.readouterr().err


def view(**changes: object) -> PodView:
    return replace(PodView(spec=make_spec("web-1")), **changes)  # type: ignore[arg-type]


def test_ages_are_of_the_life_that_is_or_was() -> None:
    assert (age_text(view(), 100.0), uptime_s(view(), 100.0)) == ("-", None)
    up = view(booted_at_s=40.0)
    assert (age_text(up, 100.0), uptime_s(up, 100.0)) == ("up 1m", 60.0)
    over = view(booted_at_s=40.0, exited_at_s=50.0)
    assert (age_text(over, 100.0), uptime_s(over, 100.0)) == ("50s ago", 10.0)


@given(texts=st.lists(st.text(max_size=20)).map(tuple))
def test_any_texts_are_filters_or_refused(texts: tuple[str, ...]) -> None:
    context = click.Context(click.Command("ps"))
    try:
        filters = read_filters(context, click.Option(["--filter"]), texts)
    except click.BadParameter as error:
        assert "filter" in error.message or "status" in error.message
    else:
        assert all(value for values in filters.wanted.values() for value in values)


@given(wanted=st.sets(st.sampled_from([*(phase.value for phase in Phase), "ready", "not-ready"])))
def test_a_status_filter_takes_exactly_the_pods_with_one_of_the_statuses(wanted: set[str]) -> None:
    filters = Filters({"status": tuple(wanted)} if wanted else {})
    for phase in Phase:
        pod = view(phase=phase)
        word = "ready" if pod.ready else "not-ready"
        assert filters.fits(pod) is (not wanted or bool({phase.value, word} & wanted))


def test_nothing_is_hidden_that_went_wrong(deployment: RunningDeployment) -> None:
    described = deployment.control.describe()
    failed = view(phase=Phase.FAILED, reason="no image")
    with_failure = replace(described, pods=(failed, view(phase=Phase.STOPPED)))
    assert chosen_pods(with_failure, Filters({}), every=False) == [failed]
