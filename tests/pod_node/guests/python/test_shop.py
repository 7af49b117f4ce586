"""The programs of the demo topology, as pods of one network."""

from __future__ import annotations

from pathlib import Path

from pod_node.spec import Mount
from tests.pod_node.guests.python.conftest import PodNetwork, RunningPod

SHOP = Path(__file__).parents[4] / "topologies" / "shop"

CUSTOMER = """
import sys, urllib.error, urllib.request
def ask(path, form=None):
    try:
        return urllib.request.urlopen("http://web:8080" + path, form, timeout=20).read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
for request in sys.argv[1:]:
    path, _, form = request.partition(" ")
    print(ask(path, form.encode() or None))
"""


def program(service: str) -> Mount:
    return Mount(source=SHOP / service, target="/app", read_only=True)


async def boot_store(pods: PodNetwork, volume: Path) -> RunningPod:
    store = pods.boot(
        "/app/store.py",
        name="store",
        mounts=(program("store"), Mount(source=volume, target="/data")),
    )
    await store.printed("on port 9000")
    return store


async def test_a_page_comes_through_web_api_and_store(pods: PodNetwork, tmp_path: Path) -> None:
    store = await boot_store(pods, tmp_path)
    await pods.boot("/app/api.py", name="api", mounts=(program("api"),)).printed("listening")
    await pods.boot("/app/web.py", name="web", mounts=(program("web"),)).printed("listening")

    page = await pods.boot("-c", CUSTOMER, "/", "/health").finished()
    assert all(f"<code>{pod}</code>" in page for pod in ("web", "api", "store"))
    assert "Oolong tea" in page
    assert page.endswith("ok\n\n")

    bought = await pods.boot("-c", CUSTOMER, *["/buy product=pot"] * 6).finished()
    assert bought.count('<td class="number">0<td class="number">5') == 2  # five sold, then no more

    store.kill()
    gone = await pods.boot("-c", CUSTOMER, "/", "/nothing").finished()
    assert "502 The api does not answer" in gone
    assert "404" in gone

    await boot_store(pods, tmp_path)
    again = await pods.boot("-c", CUSTOMER, "/").finished()
    assert '<td class="number">0<td class="number">5' in again
