"""`podnet metrics`, scraped with a real client and read with Prometheus' own parser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.cli.main import main
from orchestrator.network.changes import PodVerb
from tests.support.deployments import RunningDeployment, deployment_in_background
from tests.support.serving import short_folder
from vnet.configuration import Protocol
from vnet.latency import BOUNDS_S, Latencies
from vnet.statistics import (
    Endpoint,
    FlowStatistics,
    InterfaceStatistics,
    LinkStatistics,
    NetworkStatistics,
    PolicyStatistics,
    TcpState,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

Labels = frozenset[tuple[str, str]]
WEB = IPv4Address("10.10.0.2")
DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
COUNTED = NetworkStatistics(
    time_s=5.0,
    links=(
        LinkStatistics(link="web--gw@front", packets=70, bytes=4096, lost_packets=3),
        LinkStatistics(link="web--gw@front", backward=True, queue_full_packets=2),
    ),
    interfaces=(
        InterfaceStatistics(
            address=WEB, network="front", pod="web-1", sent_bytes=2048, received_bytes=100
        ),
        InterfaceStatistics(address=IPv4Address("10.10.0.9"), network="front"),
    ),
    policies=(PolicyStatistics(policy="policies[0].ingress", denied=4, allowed=(9, 1)),),
    flows=(
        FlowStatistics(
            pod="web-1",
            protocol=Protocol.TCP,
            local=Endpoint(address=WEB, port=40_000),
            state=TcpState.ESTABLISHED,
        ),
        FlowStatistics(
            pod="web-1", protocol=Protocol.UDP, local=Endpoint(address=WEB, port=40_001)
        ),
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


def parsed(text: str) -> dict[str, Metric]:
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    return {family.name: family for family in families}


def values(family: Metric) -> dict[Labels, float]:
    return {
        frozenset(sample.labels.items()): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


@pytest.fixture
def scraped(capsys: pytest.CaptureFixture[str]) -> dict[str, Metric]:
    assert main(["metrics"]) == 0
    return parsed(capsys.readouterr().out)


def test_pods_are_counted_by_service_and_phase(scraped: dict[str, Metric]) -> None:
    assert values(scraped["podnet_pods"])[of(service="web", phase="running")] == 2
    assert values(scraped["podnet_pod_ready"])[of(service="web", pod="web-1")] == 1
    assert values(scraped["podnet_pod_restarts"])[of(service="web", pod="web-1")] == 0
    assert values(scraped["podnet_pod_cpu_seconds"])[of(service="web", pod="web-1")] == 1.5


def test_the_network_is_counted_with_the_causes_of_drops(scraped: dict[str, Metric]) -> None:
    forward = {"link": "web--gw@front", "direction": "forward"}
    backward = {"link": "web--gw@front", "direction": "backward"}
    assert values(scraped["podnet_link_packets"])[of(**forward)] == 70
    drops = values(scraped["podnet_link_dropped_packets"])
    assert drops[of(**forward, cause="lost")] == 3
    assert drops[of(**backward, cause="queue_full")] == 2
    sent = values(scraped["podnet_interface_transmit_bytes"])
    assert sent == {of(service="web", pod="web-1", network="front"): 2048}
    assert values(scraped["podnet_flows"])[of(protocol="tcp", state="established")] == 1
    allowed = values(scraped["podnet_policy_allowed"])
    assert allowed[of(policy="policies[0].ingress", rule="1")] == 1


def test_events_and_faults_are_counted(deployment: RunningDeployment) -> None:
    assert main(["partition", "web", "gw", "--name", "counted"]) == 0
    try:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.cli.main", "metrics"],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        assert main(["heal", "counted"]) == 0
    scraped = parsed(done.stdout)
    assert values(scraped["podnet_faults"]) == {of(kind="partition"): 1, of(kind="hold"): 0}
    events = values(scraped["podnet_events"])
    assert events[of(type="fault", action="begun", service="")] >= 1
    assert events[of(type="pod", action="running", service="web")] == 2


def test_metrics_are_served_over_http_and_each_scrape_asks_anew(
    deployment: RunningDeployment,
) -> None:
    command = [sys.executable, "-m", "orchestrator.cli.main", "metrics", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            url = re.search(r"http://\S+/metrics", told)
            assert url is not None, told
            answer = httpx.get(url[0])
            assert answer.headers["content-type"].startswith("text/plain")
            before = parsed(answer.text)
            assert values(before["podnet_pod_paused"])[of(service="api", pod="api-1")] == 0
            assert main(["pause", "api"]) == 0
            deployment.wait_until(lambda: paused(deployment, "api-1"))
            after = parsed(httpx.get(url[0]).text)
            assert values(after["podnet_pod_paused"])[of(service="api", pod="api-1")] == 1
            assert main(["resume", "api"]) == 0
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def paused(deployment: RunningDeployment, name: str) -> bool:
    pods = deployment.control.describe().pods
    return next(pod for pod in pods if pod.spec.name == name).paused


def test_an_address_that_cannot_be_had_is_a_clear_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["metrics", "--listen", "9464"]) == 1
    assert '"9464" is no HOST:PORT' in capsys.readouterr().err
    assert main(["metrics", "--listen", "192.0.2.1:9464"]) == 1
    assert "cannot listen on 192.0.2.1:9464" in capsys.readouterr().err


def test_names_follow_the_conventions_and_are_documented(scraped: dict[str, Metric]) -> None:
    text = DOCS.read_text()
    for name, family in scraped.items():
        assert name.startswith("podnet_")
        assert family.documentation
        full = f"{name}_total" if family.type == "counter" else name
        assert f"`{full}`" in text, f"{full} is not in docs/metrics.md"
    documented = set(re.findall(r"`(podnet_\w+)`", text))
    full_names = {f"{n}_total" if f.type == "counter" else n for n, f in scraped.items()}
    assert documented <= full_names


def test_a_histogram_counts_each_exchange_once() -> None:
    latencies = Latencies()
    for duration_s in (0.0005, 0.001, 0.0011, 3.0, 60.0):
        latencies.add(duration_s)
    assert latencies.counts[:2] == [2, 1]
    assert latencies.counts[BOUNDS_S.index(5.0)] == 1
    assert latencies.counts[-1] == 1
    assert sum(latencies.counts) == 5
    assert latencies.sum_s == pytest.approx(63.0026)


def test_no_label_is_a_guests_or_a_clients_to_choose(scraped: dict[str, Metric]) -> None:
    known = {
        *("service", "pod", "phase", "network", "link", "direction", "cause", "policy", "rule"),
        *("port", "code", "le", "protocol", "state", "type", "action", "decision", "kind"),
    }
    for family in scraped.values():
        for sample in family.samples:
            assert sample.labels.keys() <= known
    assert PodVerb.KILL.value not in known
