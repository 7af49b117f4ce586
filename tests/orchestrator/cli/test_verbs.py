"""The verbs that need a running deployment, against one over a real socket."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.main import main
from tests.support.deployments import RunningDeployment, deployment_in_background
from tests.support.serving import short_folder
from vnet.configuration import Protocol
from vnet.statistics import (
    Endpoint,
    FlowStatistics,
    InterfaceStatistics,
    LinkStatistics,
    NetworkStatistics,
    PolicyStatistics,
    TcpSender,
    TcpState,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEB, API = IPv4Address("10.10.0.2"), IPv4Address("10.20.0.34")
COUNTED = NetworkStatistics(
    time_s=5.0,
    links=(LinkStatistics(link="web--gw@front", packets=70, bytes=4096, lost_packets=3),),
    interfaces=(InterfaceStatistics(address=WEB, network="front", pod="web-1", sent_bytes=2048),),
    policies=(PolicyStatistics(policy="policies[0].ingress", denied=4, allowed=(9,)),),
    flows=(
        FlowStatistics(
            pod="web-1",
            protocol=Protocol.TCP,
            local=Endpoint(address=WEB, port=40_000),
            remote=Endpoint(address=API, port=8000),
            state=TcpState.ESTABLISHED,
            sender=TcpSender(smoothed_rtt_ns=41_500_000, retransmitted_segments=2),
        ),
        FlowStatistics(pod="api-1", protocol=Protocol.UDP, local=Endpoint(address=API, port=53)),
    ),
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def deployment(folder: Path) -> Iterator[RunningDeployment]:
    with deployment_in_background(folder) as deployment:
        deployment.runtime.statistics = COUNTED
        yield deployment


@pytest.fixture(autouse=True)
def state(deployment: RunningDeployment, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODNET_STATE", str(folder))


Output = pytest.CaptureFixture[str]


def run(capsys: Output, *words: str) -> tuple[int, str, str]:
    status = main(words)
    output = capsys.readouterr()
    return status, output.out, output.err


def good(capsys: Output, *words: str) -> str:
    status, out, err = run(capsys, *words)
    assert (status, err) == (0, "")
    return out


def bad(capsys: Output, *words: str) -> str:
    status, out, err = run(capsys, *words)
    assert status in (1, 2)
    assert out == ""
    assert "Traceback" not in err
    return err


def test_a_link_is_shown_set_and_reset(capsys: Output) -> None:
    assert "web -- gw  front    web   gw   20ms, loss 1%  declared" in good(capsys, "link", "show")
    told = good(capsys, "link", "set", "gw", "web", "--delay", "5ms", "--direction", "backward")
    assert told == "link gw--web@front: gw to web: 20ms, loss 1%; web to gw: 5ms, loss 1%\n"
    assert "changed" in good(capsys, "link", "show", "web", "gw")
    (shown,) = json.loads(good(capsys, "link", "show", "--format", "json"))
    assert shown["forward"]["delay_ns"] == 5_000_000
    assert good(capsys, "link", "reset", "web", "gw") == "reset: web--gw@front\n"
    assert good(capsys, "link", "reset", "--all") == "nothing had been changed\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("set", "web", "gw"), "nothing to change; give for example --delay 20ms"),
        (("set", "web", "gw", "--delay", "20"), 'duration "20" has no unit; write for example'),
        (("set", "web", "gw", "--loss", "200%"), "loss: must be between 0% and 100%"),
        (("set", "web", "ap", "--loss", "2%"), 'unknown service or pod "ap"; did you mean "api"?'),
        (("set", "web", "api", "--loss", "2%"), "share no network"),
        (("set", "web", "gw", "--loss", "2%", "--duration", "0s"), "the duration is zero"),
        (("show", "web"), "give both ends of the link, or none"),
        (("reset",), "give either the two ends of a link or --all"),
        (("reset", "web"), "give both ends of the link"),
    ],
)
def test_a_link_that_cannot_be_is_a_clear_error(
    capsys: Output, words: tuple[str, ...], message: str
) -> None:
    assert message in bad(capsys, "link", *words)


def test_traffic_is_cut_and_healed(capsys: Output) -> None:
    assert good(capsys, "partition", "web-1,web-2", "gw", "--name", "wall") == (
        "wall: traffic between web-1, web-2 | gw is lost\n"
    )
    assert good(capsys, "partition", "api", "--", "gw", "--oneway") == (
        "partition-1: what api sends to gw is lost\n"
    )
    assert "there are wall, partition-1; give a name or --all" in bad(capsys, "heal")
    assert good(capsys, "heal", "wall") == "wall: healed\n"
    assert good(capsys, "heal") == "partition-1: healed\n"
    assert good(capsys, "heal", "--all") == "there was none\n"


def test_traffic_is_held_and_released(capsys: Output) -> None:
    told = good(capsys, "hold", "web", "/", "gw", "--duration", "1h30m")
    assert told == "hold-1: traffic between web | gw is held, for 1h30m\n"
    assert "hold-1" in good(capsys, "inspect", "web-1")
    assert json.loads(good(capsys, "release", "hold-1", "--format", "json")) == ["hold-1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("partition", "web"), "needs two sides, for example: web api,store"),
        (("partition", "web", "web-1"), "are in two groups"),
        (("heal", "nobody"), 'there is no partition "nobody"'),
        (("heal", "a", "--all"), "give a name or --all, not both"),
        (("kill",), "Missing argument"),
        (("kill", "api-9"), 'unknown service or pod "api-9"; service "api" has replicas 1 to 1'),
        (("ping", "web", "nobody"), 'unknown service or pod "nobody"'),
        (("ping", "web", "gw", "-i", "0.2"), "has no unit"),
        (("inspect", "wep"), 'nothing here is called "wep"; did you mean "web"?'),
        (("inspect",), "give either a name or --connect A B:PORT"),
        (("inspect", "--connect", "web", "api"), '"api" is no B:PORT; write for example api:8000'),
        (("netstat", "nobody"), 'nothing here is called "nobody"'),
        (("ping", "web", "gw", "-d", "tset"), 'no deployment "tset" runs; did you mean "test"?'),
        (("ping", "web", "gw", "-d", "a", "-t", "b"), "give -d or -t, not both"),
    ],
)
def test_what_cannot_be_done_is_a_clear_error(
    capsys: Output, words: tuple[str, ...], message: str
) -> None:
    assert message in bad(capsys, *words)


def test_pods_are_paused_and_resumed(capsys: Output) -> None:
    assert good(capsys, "pause", "web", "--duration", "2h") == "paused: web-1, web-2, for 2h\n"
    assert "paused" in good(capsys, "inspect", "web-2")
    assert json.loads(good(capsys, "resume", "web", "--format", "json")) == ["web-1", "web-2"]


def test_a_ping_ends_with_its_summary(capsys: Output) -> None:
    lines = good(capsys, "ping", "web", "gw", "-c", "3", "-i", "1ms").splitlines()
    assert lines[0].startswith("PING gw-1 (10.10.0.")
    assert lines[1].endswith("seq=1 time=1.000 ms")
    assert lines[-2] == "3 requests, 3 answered, 0% lost"
    assert lines[-1] == ("rtt min/avg/p50/p95/p99/max = 1.000/2.000/2.000/3.000/3.000/3.000 ms")


def test_a_ping_that_nobody_answers_has_status_one(capsys: Output) -> None:
    good(capsys, "partition", "web", "gw")
    status, out, _ = run(capsys, "ping", "web", "gw", "-c", "2", "-i", "1ms", "--format", "json")
    good(capsys, "heal")
    assert status == 1
    assert json.loads(out)["replies"] == 0
    assert json.loads(out)["rtt_ns"] is None


def test_a_ping_that_a_policy_denies_says_which(
    capsys: Output, deployment: RunningDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment.runtime, "echo_denier", "policies[0].ingress")
    status, out, _ = run(capsys, "ping", "web", "api", "-c", "1")
    assert status == 1
    assert "\nseq=1 denied by policy policies[0].ingress\n" in out
    _, out, _ = run(capsys, "ping", "web", "api", "-c", "1", "--format", "json")
    assert json.loads(out)["echoes"] == [
        {"sequence": 1, "outcome": "denied", "policy": "policies[0].ingress"}
    ]


def test_counters_are_tables(capsys: Output) -> None:
    flows = good(capsys, "netstat")
    assert "web-1  tcp    0       0       10.10.0.2:40000" in flows
    assert "41.5 ms" in flows
    assert "api-1" not in good(capsys, "netstat", "web")
    tables = good(capsys, "netstat", "--links", "--interfaces", "--rules")
    assert "web--gw@front  forward  70       4.0 KiB  3" in tables
    assert "UDP DROPPED  ECHOES IN  ECHOES OUT  CUT  DENIED" in tables
    assert "10.10.0.2  front    web-1  0 B       2.0 KiB  0       0        0 " in tables
    assert "web@front; ports 8000, 53/udp  9" in tables
    assert "anything else                           4" in tables


def test_counters_are_json_for_programs(capsys: Output) -> None:
    counted = json.loads(good(capsys, "netstat", "--links", "--format", "json"))
    assert counted["links"][0]["lost_packets"] == 3
    assert "flows" not in counted


def test_a_pod_a_service_and_a_link_are_inspected(capsys: Output) -> None:
    pod = good(capsys, "inspect", "web-1")
    for text in ("image:       python", "10.10.0.2/24 on front", "link web--gw@front: 20ms"):
        assert text in pod
    assert "web-2" not in pod
    assert "pod web-2" in good(capsys, "inspect", "web")
    link = good(capsys, "inspect", "web--gw@front")
    assert "70 packets, 4.0 KiB, 3 dropped" in link
    assert json.loads(good(capsys, "inspect", "api", "--format", "json"))["policies"]


def test_a_connection_is_explained(capsys: Output) -> None:
    allowed = good(capsys, "inspect", "--connect", "web", "api:8000")
    assert allowed.startswith("web-1 to api-1, tcp port 8000: allowed\n")
    assert "over web--gw@front (20ms, loss 1%)" in allowed
    assert "ingress: allowed by policies[0].ingress, rule 1: web@front; ports 8000" in allowed
    status, denied, _ = run(capsys, "inspect", "--connect", "gw", "api:8000")
    assert status == 1
    assert "gw-1 to api-1, tcp port 8000: refused" in denied
    assert "denied by policies[0].ingress, of whose rules none allows it" in denied
    assert run(capsys, "inspect", "--connect", "web", "api:54/udp")[0] == 1
    assert run(capsys, "inspect", "--connect", "web", "api:53/udp")[0] == 0


def test_a_capture_of_nobody_has_no_summary(capsys: Output) -> None:
    error = bad(capsys, "capture", "wep")
    assert error.startswith('error: nothing here is called "wep"; did you mean "web"?')


def test_top_shows_one_table_away_from_a_terminal(capsys: Output) -> None:
    table = good(capsys, "top", "-i", "1ms")
    assert table.startswith("test: 4 pods run; the node uses ")
    assert "web-1  running" in table


def test_a_topology_file_names_its_deployment(capsys: Output, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("name: other\nservices:\n  a: {image: python}\n")
    assert 'no deployment "other" runs' in bad(capsys, "link", "show", "-t", str(file))
    file.write_text("name: test\nservices:\n  a: {image: python}\n")
    assert "web -- gw" in good(capsys, "link", "show", "-t", str(file))


def test_of_several_deployments_one_is_to_be_chosen(capsys: Output, folder: Path) -> None:
    with deployment_in_background(folder, "name: b\nservices: {a: {image: python}}", name="b"):
        message = bad(capsys, "link", "show")
        assert "several deployments run: b, test; choose one with -d NAME" in message
        assert "there is no link" in good(capsys, "link", "show", "-d", "b")
    assert "web -- gw" in good(capsys, "link", "show")


def test_without_a_deployment_the_remedy_is_named(
    capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODNET_STATE", str(tmp_path))
    assert bad(capsys, "top") == 'error: no deployment runs; start one with "podnet up FILE"\n'


def test_a_killed_pod_is_named_and_gone(capsys: Output) -> None:
    assert good(capsys, "kill", "web-2") == "killed: web-2\n"
