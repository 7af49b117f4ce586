"""podnet from Python, against one real deployment of real guests."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

import podnet as sdk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from podnet.fixtures import Podnet

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
import http.server, sys, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            body = b"hello from " + sys.argv[1].encode()
            if self.path == "/via":
                with urllib.request.urlopen("http://api:8000/", timeout=1) as answer:
                    body = b"via: " + answer.read()
            status = 200
        except OSError as error:
            status, body = 502, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

print("listening as", sys.argv[1], flush=True)
http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""
TOPOLOGY: dict[str, object] = {
    "name": "pair",
    "services": {
        "api": {
            "image": "python",
            "command": ["python", "/app/app.py", "api"],
            "volumes": ["./app:/app:ro"],
            "healthcheck": {"tcp": ":8000", "interval": "200ms"},
            "restart": "always",
        },
        "web": {
            "image": "python",
            "command": ["python", "/app/app.py", "${NAME}"],
            "volumes": ["./app:/app:ro"],
            "healthcheck": {"tcp": ":8000", "interval": "200ms"},
            "ports": ["8000"],
            "deploy": {"replicas": 2},
        },
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    (folder / "app").mkdir()
    (folder / "app" / "app.py").write_text(APP)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(podnet_module: Podnet, folder: Path) -> sdk.Deployment:
    return await podnet_module(TOPOLOGY, directory=folder, variables={"NAME": "frontend"})


async def test_a_topology_can_be_a_dict_with_variables(pair: sdk.Deployment) -> None:
    assert pair.name == "pair"
    assert [service.name for service in pair.services] == ["api", "web"]
    assert [pod.name for pod in pair.service("web").replicas] == ["web-1", "web-2"]
    assert all(pod.ready and pod.phase == "healthy" for pod in pair.pods)
    assert list(pair.portals) == ["web:8000"]


async def test_services_and_pods_answer_over_http(pair: sdk.Deployment) -> None:
    answer = await pair.service("web").http.get("/")
    assert (answer.status_code, answer.text) == (200, "hello from frontend")
    assert (await pair.service("api").http.get("/")).text == "hello from api"
    assert (await pair.http.get("http://web-2:8000/via")).text == "via: hello from api"


async def test_bodies_larger_than_any_buffer_go_through(pair: sdk.Deployment) -> None:
    body = bytes(range(256)) * 8192
    answer = await pair.service("api").http.post("/", content=body)
    assert answer.content == body[::-1]


async def test_many_requests_at_once_reach_all_replicas(pair: sdk.Deployment) -> None:
    client = pair.service("web").http
    answers = await asyncio.gather(*(client.get("/") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    for pod in ("web-1", "web-2"):
        lines = [line.text async for line in pair.logs(pod)]
        assert any("GET / HTTP" in line for line in lines)


async def test_a_port_that_nobody_listens_on_is_a_connect_error(pair: sdk.Deployment) -> None:
    with pytest.raises(httpx.ConnectError, match=r"no connection to api-1, port 9: .*refused"):
        await pair.http.get("http://api:9/")
    with pytest.raises(httpx.ConnectError, match='unknown service or pod "nobody"'):
        await pair.http.get("http://nobody/")
    with pytest.raises(httpx.ConnectError, match="TLS to pods is not supported"):
        await pair.http.get("https://api:8000/")


async def test_a_program_runs_beside_a_pods_own(pair: sdk.Deployment) -> None:
    code = "import os, socket, sys; print(socket.gethostname(), os.environ['X'], os.getcwd())"
    done = await pair.service("web").exec(
        "python", "-c", code, environment={"X": "1"}, working_dir="/app", index=2
    )
    assert (done.status, done.text, done.stderr) == (0, "web-2 1 /app\n", b"")
    assert done.check() is done


async def test_a_programs_input_may_be_larger_than_any_buffer(pair: sdk.Deployment) -> None:
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
    data = bytes(range(256)) * 4096
    done = await pair.pod("api-1").exec("python", "-c", code, input=data)
    assert done.stdout == data[::-1]


async def test_a_program_need_not_read_its_input(pair: sdk.Deployment) -> None:
    done = await pair.pod("api-1").exec("python", "-c", "print(1)", input=bytes(1 << 20))
    assert (done.status, done.text) == (0, "1\n")


async def test_a_program_that_fails_says_how(pair: sdk.Deployment) -> None:
    done = await pair.pod("api-1").exec("python", "-c", "1/0")
    assert done.status == 1
    with pytest.raises(sdk.ExecError, match=r"ended with status 1: ZeroDivisionError"):
        done.check()
    with pytest.raises(sdk.RefusedError, match='unknown service or pod "nobody"'):
        await pair.exec("nobody", "python")


async def test_a_program_that_takes_too_long_is_ended(pair: sdk.Deployment) -> None:
    forever = "import time\nwhile True: time.sleep(1)"
    with pytest.raises(TimeoutError):
        await pair.pod("api-1").exec("python", "-c", forever, timeout="300ms")
    await eventually_alone(pair)


async def eventually_alone(pair: sdk.Deployment) -> None:
    """Wait until no pod has a process beside its own."""
    async with asyncio.timeout(10):
        while any(pod.processes > 1 for pod in (await pair.statistics()).pods):
            pass  # asked again at once: an answer takes its time


async def test_a_partition_lasts_as_long_as_its_block(pair: sdk.Deployment) -> None:
    web = pair.service("web").http
    async with pair.partition("web", ["api"]) as cut:
        assert cut.name == "partition-1"
        assert (await web.get("/via")).status_code == 502
    assert (await web.get("/via")).text == "via: hello from api"


async def test_a_partition_can_be_begun_and_healed_by_hand(pair: sdk.Deployment) -> None:
    cut = await pair.partition(["web-1", "web-2"], ["api"], name="wall")
    assert cut.name == "wall"
    assert [echo.result.text for echo in await pair.ping("web-1", "api", timeout="50ms")] == [
        "timeout"
    ]
    assert await pair.heal() == ["wall"]
    assert [echo.result.text for echo in await pair.ping("web-1", "api")] == ["reply"]


async def test_a_link_is_set_shown_and_reset(pair: sdk.Deployment) -> None:
    link = pair.link("web", "api")
    await link.set(delay="20ms", loss="0%")
    (echo,) = await pair.ping("web", "api")
    assert 40_000_000 <= echo.result.rtt_ns < 41_000_000
    shown = await link.show()
    assert shown is not None
    assert shown.forward.delay_ns == 20_000_000
    await link.reset()
    assert await link.show() is None


async def test_a_killed_pod_is_started_again(pair: sdk.Deployment) -> None:
    assert await pair.service("api").kill() == ["api-1"]
    await pair.wait_ready()
    assert pair.pod("api-1").restarts == 1
    assert (await pair.service("api").http.get("/")).text == "hello from api"


async def test_a_paused_pod_goes_on_by_itself(pair: sdk.Deployment) -> None:
    await pair.pod("web-2").pause()
    assert pair.pod("web-2").view.paused
    await pair.pod("web-2").resume()
    assert not pair.pod("web-2").view.paused


async def test_logs_come_in_the_order_of_time_and_go_on(pair: sdk.Deployment) -> None:
    lines = [line async for line in pair.logs("web", "api")]
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    listening = {line.pod for line in lines if line.text.startswith("listening as ")}
    assert listening == {"api-1", "web-1", "web-2"}
    following = pair.service("api").logs(follow=True, since=timedelta())
    client = pair.service("api").http
    async with asyncio.TaskGroup() as group:
        request = group.create_task(client.get("/sought"))
        async for line in following:
            if "/sought" in line.text:
                break
        await following.aclose()
        assert (await request).status_code == 200


async def test_events_say_what_happened_and_what_happens(pair: sdk.Deployment) -> None:
    past = [event async for event in pair.events("api", types=["pod"], since="1h", until="0s")]
    actions = [event.action for event in past]
    assert actions.index("starting") < actions.index("running") < actions.index("healthy")
    standing = pair.events(initial_state=True, types=["pod"])
    names = []
    async for event in standing:
        if event.action == "synced":
            break
        names.append(event.pod)
    assert names == ["api-1", "web-1", "web-2"]
    await pair.link("web", "api").set(delay="1ms")
    await standing.aclose()
    link = [event async for event in pair.events(types=["link"], since="1h", until="0s")][-1]
    assert link.attributes["forward"] == "1ms"
    await pair.reset_links()


async def test_packets_can_be_watched(pair: sdk.Deployment) -> None:
    packets = pair.capture("api-1", filter="tcp port 8000", count=1)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(anext(packets))
        while not first.done():
            await pair.http.get("http://web:8000/via")
    assert first.result().size_bytes > 0
    await packets.aclose()


async def test_use_of_resources_is_told(pair: sdk.Deployment) -> None:
    usage = await pair.statistics()
    assert {pod.pod for pod in usage.pods} == {"api-1", "web-1", "web-2"}
    counted = await pair.network_statistics()
    assert {interface.pod for interface in counted.interfaces} >= {"api-1", "web-1"}


async def test_a_service_is_scaled_and_shrinks_again(pair: sdk.Deployment) -> None:
    await pair.scale(web=3)
    assert [pod.name for pod in pair.service("web").replicas] == ["web-1", "web-2", "web-3"]
    assert (await pair.http.get("http://web-3:8000/")).text == "hello from frontend"
    await pair.scale(web=2)
    assert [pod.name for pod in pair.service("web").replicas] == ["web-1", "web-2"]


async def test_a_service_is_stopped_and_started(pair: sdk.Deployment) -> None:
    await pair.stop("web-2", grace=0)
    assert pair.pod("web-2").phase == "stopped"
    assert (await pair.service("web").http.get("/")).status_code == 200
    await pair.start("web-2")
    await pair.wait_ready("web")


async def test_another_topology_is_taken_up_while_it_runs(
    pair: sdk.Deployment, folder: Path
) -> None:
    await pair.apply(TOPOLOGY, directory=folder, variables={"NAME": "shopfront"})
    await pair.wait_ready("web")
    assert (await pair.service("web").http.get("/")).text == "hello from shopfront"
    assert (await pair.service("api").http.get("/")).text == "hello from api"


async def test_somebody_else_can_take_part(pair: sdk.Deployment) -> None:
    assert pair.state is not None
    async with sdk.connect(state=pair.state) as other:
        assert other.name == "pair"
        assert (await other.service("api").http.get("/")).status_code == 200
    async with sdk.connect("pair", state=pair.state):
        pass
    assert pair.pod("api-1").phase == "healthy", "leaving has ended nothing"


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda pair: pair.service("ap"), 'no service is called "ap"; did you mean "api"?'),
        (lambda pair: pair.pod("web-9"), 'no pod is called "web-9"'),
        (lambda pair: pair.partition("web"), "needs two sides"),
        (lambda pair: pair.partition("web", "api", duration="5"), "has no unit"),
    ],
)
async def test_mistakes_are_clear_errors(
    pair: sdk.Deployment, attempt: object, message: str
) -> None:
    with pytest.raises(sdk.RefusedError, match=message):
        attempt(pair)  # type: ignore[operator]


async def test_mistakes_that_the_deployment_finds_are_clear_errors(pair: sdk.Deployment) -> None:
    with pytest.raises(sdk.RefusedError, match=r"loss: must be between 0% and 100%"):
        await pair.link("web", "api").set(loss="200%")
    with pytest.raises(sdk.RefusedError, match='unknown service or pod "x"'):
        await pair.kill("x")
    with pytest.raises(sdk.NotReadyError, match=r"not so after 0.01 s: api-1 is healthy"):
        await pair.wait_until(lambda _: False, timeout="10ms")


async def other(text: str) -> AsyncIterator[sdk.Deployment]:
    async with sdk.deploy(text, timeout="30s") as deployment:
        yield deployment


async def started(text: str) -> None:
    async with sdk.deploy(text, timeout="30s"):
        pass


async def test_a_topology_with_mistakes_lists_them(folder: Path) -> None:
    with pytest.raises(sdk.InvalidTopologyError, match='unknown key "imag"; did you mean "image"'):
        await started("name: x\nservices: {a: {imag: python}}")
    missing = folder / "missing.yaml"
    with pytest.raises(sdk.InvalidTopologyError, match=r"missing\.yaml"):
        async with sdk.deploy(missing):
            pass


async def test_a_pod_that_ends_badly_is_the_reason_why_nothing_is_ready() -> None:
    service = {
        "image": "python",
        "command": ["python", "-c", "raise OSError(5)"],
        "healthcheck": {"tcp": ":1"},
    }
    with pytest.raises(sdk.PodnetError, match=r"a-1: .*OSError: 5"):
        async with sdk.deploy({"name": "bad", "services": {"a": service}}):
            pass


async def test_what_cannot_be_started_says_why() -> None:
    with pytest.raises(sdk.PodnetError, match="no-such"):
        await started("name: none\nservices: {a: {image: ./no-such.wasm}}")


async def test_a_follower_of_logs_goes_on_with_the_next_node() -> None:
    program = "import time; print('alive', flush=True); time.sleep(1000)"
    service = {"image": "python", "command": ["python", "-c", program]}
    async with sdk.deploy({"name": "lost", "services": {"a": service}}) as deployment:
        lines = deployment.logs(follow=True)
        assert (await anext(lines)).text == "alive"
        await asyncio.to_thread(os.kill, await deployment.node_process_id(), signal.SIGKILL)
        assert (await anext(lines)).text == "alive", "of the pod's next life"
        await lines.aclose()
        await deployment.wait_ready()
        lost = [event async for event in deployment.events(since="1h", until="0s", types=["node"])]
        assert [event.action for event in lost] == ["lost"]
