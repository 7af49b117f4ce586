"""A deployment over TCP, with real certificates and real clients."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import trustme
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.codec import DeploymentClient, DeploymentLostError, DeploymentRefusedError
from orchestrator.network.changes import PodVerb
from orchestrator.serving.access import (
    AccessError,
    Certificate,
    ListenAddress,
    RemoteAddress,
    join_host,
    split_host,
)
from orchestrator.serving.attempts import BURST
from orchestrator.serving.remote import serve_remote
from orchestrator.serving.service import register
from orchestrator.views.deployment import EventOrder, LogOrder
from tests.support.clock import FakeClock
from tests.support.deployments import RunningDeployment, running_deployment
from tests.support.pods import FakeRuntime, LoopbackEndpoint
from tests.support.serving import short_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Files:
    """What a test's authority has made."""

    ca: Path
    server: Certificate
    client: Certificate
    stranger: Certificate
    """Of another authority."""
    token: Path


def issue(authority: trustme.CA, folder: Path, name: str) -> Certificate:
    issued = authority.issue_cert(HOST)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    issued.private_key_pem.write_to_path(str(key))
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return Certificate(certificate=certificate, key=key)


def token_file(path: Path, text: str = "a-secret-of-some-length", mode: int = 0o600) -> Path:
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return Files(
        ca=folder / "ca.pem",
        server=issue(authority, folder, "server"),
        client=issue(authority, folder, "client"),
        stranger=issue(trustme.CA(), folder, "stranger"),
        token=token_file(folder / "token"),
    )


@pytest.fixture
async def deployment() -> AsyncIterator[RunningDeployment]:
    with short_folder() as folder:
        runtime = FakeRuntime(endpoint=LoopbackEndpoint())
        async with running_deployment(folder, runtime=runtime) as deployment:
            yield deployment


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@asynccontextmanager
async def listening(
    deployment: RunningDeployment, address: ListenAddress, clock: FakeClock
) -> AsyncIterator[int]:
    def add(server: aio.Server) -> None:
        register(server, deployment.orchestrator)

    async with serve_remote(add, address, deployment.control.events, clock) as port:
        yield port


async def name_at(address: RemoteAddress) -> str:
    async with DeploymentClient(address) as client:
        return (await client.describe()).name


async def refusals(deployment: RunningDeployment) -> list[str]:
    order = EventOrder(
        since_s=0.0, until_s=deployment.control.events._wall(), types=frozenset({"access"})
    )
    return [
        event.facts.attributes["reason"] async for event in deployment.control.events.listen(order)
    ]


async def test_a_client_with_a_certificate_of_the_authority_is_let_in(
    deployment: RunningDeployment, files: Files, clock: FakeClock
) -> None:
    address = ListenAddress(host=HOST, port=0, tls=files.server, client_ca=files.ca)
    async with listening(deployment, address, clock) as port:
        good = RemoteAddress(host=HOST, port=port, ca=files.ca, tls=files.client)
        assert await name_at(good) == "test"
        with pytest.raises(DeploymentLostError):
            await name_at(replace(good, tls=files.stranger))
        with pytest.raises(DeploymentLostError):
            await name_at(replace(good, tls=None, token_file=files.token))
        with pytest.raises(DeploymentLostError):
            await name_at(replace(good, ca=files.stranger.certificate))


async def test_a_client_with_the_token_is_let_in_over_tls(
    deployment: RunningDeployment, files: Files, clock: FakeClock, tmp_path: Path
) -> None:
    address = ListenAddress(host=HOST, port=0, tls=files.server, token_file=files.token)
    async with listening(deployment, address, clock) as port:
        good = RemoteAddress(host=HOST, port=port, ca=files.ca, token_file=files.token)
        assert await name_at(good) == "test"
        wrong = token_file(tmp_path / "wrong", "another-secret-of-some-length")
        with pytest.raises(DeploymentRefusedError, match="wrong token"):
            await name_at(replace(good, token_file=wrong))
        with pytest.raises(DeploymentRefusedError, match="no token"):
            await name_at(replace(good, token_file=None, tls=files.client))
    assert await refusals(deployment) == ["wrong token"], "one a second"


async def test_on_loopback_a_token_does_without_tls_and_all_kinds_of_calls_work(
    deployment: RunningDeployment, files: Files, clock: FakeClock
) -> None:
    address = ListenAddress(host=HOST, port=0, token_file=files.token)
    async with listening(deployment, address, clock) as port:
        there = RemoteAddress(host=HOST, port=port, token_file=files.token)
        async with DeploymentClient(there) as client:
            assert (await client.describe()).name == "test"
            deployment.runtime.pods["web-1"].write(1, b"line\n")
            lines = [group.lines async for group, _ in client.logs(LogOrder())]
            assert lines == [(b"line",)]
            with pytest.raises(DeploymentRefusedError, match="no connection to web-1, port 1"):
                await client.dial("web-1", 1, 0.2)


async def test_no_kind_of_call_passes_without_the_token(
    deployment: RunningDeployment, files: Files, clock: FakeClock, tmp_path: Path
) -> None:
    address = ListenAddress(host=HOST, port=0, token_file=files.token)
    wrong = token_file(tmp_path / "wrong", "another-secret-of-some-length")
    async with listening(deployment, address, clock) as port:
        there = RemoteAddress(host=HOST, port=port, token_file=wrong)
        async with DeploymentClient(there) as client:
            with pytest.raises(DeploymentRefusedError, match="wrong token"):
                await client.describe()
            with pytest.raises(DeploymentRefusedError, match="wrong token"):
                await anext(client.logs(LogOrder()))
            with pytest.raises(DeploymentRefusedError, match="wrong token"):
                await client.dial("web-1", 1)
            with pytest.raises(DeploymentRefusedError, match="wrong token"):
                await client.act_on_pods(PodVerb.KILL, ["web"])
    assert all(not pod.killed for pod in deployment.runtime.pods.values())


async def test_who_tries_too_often_waits_even_with_the_token(
    deployment: RunningDeployment, files: Files, clock: FakeClock, tmp_path: Path
) -> None:
    address = ListenAddress(host=HOST, port=0, token_file=files.token)
    wrong = token_file(tmp_path / "wrong", "another-secret-of-some-length")
    async with listening(deployment, address, clock) as port:
        good = RemoteAddress(host=HOST, port=port, token_file=files.token)
        for _ in range(BURST):
            with pytest.raises(DeploymentRefusedError, match="wrong token"):
                await name_at(replace(good, token_file=wrong))
        with pytest.raises(DeploymentRefusedError, match="too many wrong tokens"):
            await name_at(good)
        clock.advance(10.0)
        assert await name_at(good) == "test"


async def test_a_port_in_use_and_files_that_are_none_are_clear_errors(
    deployment: RunningDeployment, files: Files, clock: FakeClock, tmp_path: Path
) -> None:
    address = ListenAddress(host=HOST, port=0, token_file=files.token)
    async with listening(deployment, address, clock) as port:
        with pytest.raises(
            AccessError, match=f"cannot listen on {HOST}:{port}: the port is in use"
        ):
            async with listening(deployment, replace(address, port=port), clock):
                pass
    for content, message in (("", "must have one word"), ("short", "at least 16")):
        bad = replace(address, token_file=token_file(tmp_path / "bad", content))
        with pytest.raises(AccessError, match=message):
            async with listening(deployment, bad, clock):
                pass
    not_pem = Certificate(certificate=files.token, key=files.server.key)
    with pytest.raises(AccessError, match="is no certificate or key in PEM format"):
        async with listening(deployment, replace(address, tls=not_pem), clock):
            pass
    open_to_all = token_file(tmp_path / "open", mode=0o644)
    with pytest.raises(AccessError, match=f"open to others; run: chmod 600 {open_to_all}"):
        async with listening(deployment, replace(address, token_file=open_to_all), clock):
            pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": HOST}, "would let anybody in; give --tls-client-ca"),
        ({"host": "0.0.0.0", "token_file": "t"}, "would cross the network to 0.0.0.0 in the clear"),
        ({"host": "example.com", "token_file": "t"}, "in the clear"),
        ({"host": HOST, "client_ca": "c"}, "--tls-client-ca needs --tls-cert"),
    ],
)
def test_a_way_in_for_anybody_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(AccessError, match=message):
        ListenAddress(port=7443, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": HOST}, "lets nobody in without"),
        ({"host": "example.com", "token_file": "t"}, "must show that it is the right one"),
        ({"host": HOST, "tls": "c"}, "must show that it is the right one"),
    ],
)
def test_a_client_that_would_give_its_token_away_is_refused(
    options: dict[str, str], message: str
) -> None:
    with pytest.raises(AccessError, match=message):
        RemoteAddress(port=7443, **options)  # type: ignore[arg-type]


@given(host=st.ip_addresses().map(str) | st.just("example.com"), port=st.integers(0, 65_535))
def test_every_host_and_port_is_read_back(host: str, port: int) -> None:
    assert split_host(join_host(host, port)) == (host, port)


@given(text=st.text(max_size=30))
def test_any_text_is_a_host_and_port_or_refused(text: str) -> None:
    try:
        host, port = split_host(text)
    except AccessError as error:
        assert "HOST:PORT" in str(error)
    else:
        assert host
        assert 0 <= port <= 65_535
