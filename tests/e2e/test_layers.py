"""What a pod does to the files of its image, as a person sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.serving import short_folder
from tests.support.up import podnet, take_down

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

LIBRARY = "/usr/lib/python3.12"
TOPOLOGY = """
name: layers
services:
  web:
    image: python
    command: [python, -c, "import time; time.sleep(86400)"]
    deploy: {replicas: 2}
    storage_opt: {size: 1M}
"""


@pytest.fixture
async def state() -> AsyncIterator[Path]:
    with short_folder() as folder:
        try:
            yield folder
        finally:
            await take_down(folder)


async def test_a_replica_changes_its_library_for_itself(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "layers.yaml"
    file.write_text(TOPOLOGY)
    (tmp_path / "copied.py").write_text("print('copied in')")
    assert (await podnet(state, "up", str(file), "--wait")).status == 0

    async def python(pod: str, code: str) -> str:
        outcome = await podnet(state, "exec", pod, "python", "-c", code)
        return (outcome.out + outcome.err).strip().rpartition("\n")[2]

    await python("web-1", f"open('{LIBRARY}/colorsys.py', 'w').write('MINE = 42')")
    await python("web-1", f"import os; os.remove('{LIBRARY}/textwrap.pyc')")
    copied = str(tmp_path / "copied.py")
    assert (await podnet(state, "cp", copied, f"web-1:{LIBRARY}/copied.py")).status == 0
    assert await python("web-1", "import colorsys; print(colorsys.MINE)") == "42"
    assert await python("web-2", "import colorsys, textwrap; print('fine')") == "fine"
    assert (await podnet(state, "restart", "web")).status == 0
    assert await python("web-1", "import colorsys, copied; print(colorsys.MINE)") == "42"
    missing = "ModuleNotFoundError: No module named 'textwrap'"
    assert await python("web-1", "import textwrap") == missing
    outcome = await podnet(state, "cp", f"web-1:{LIBRARY}/colorsys.py", str(tmp_path / "out"))
    assert (outcome.status, (tmp_path / "out").read_text()) == (0, "MINE = 42")


async def test_a_full_disk_is_an_event_and_stands_in_ps(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "layers.yaml"
    file.write_text(TOPOLOGY)
    assert (await podnet(state, "up", str(file), "--wait")).status == 0
    code = "open('/tmp/big', 'wb').write(bytes(3 << 20))"
    outcome = await podnet(state, "exec", "web-1", "python", "-c", code)
    assert "OSError: [Errno 19]" in outcome.err  # EDQUOT has this number in WASI
    said = "its disk limit of 1M is reached; storage_opt raises it"
    while True:  # until it has come to the orchestrator
        pods = json.loads((await podnet(state, "ps", "--format", "json")).out)
        if reasons := [(pod["name"], pod["reason"]) for pod in pods if pod["reason"]]:
            break
    assert reasons == [("web-1", said)]
    now = ("--since", "5m", "--until", "0s", "--format", "json")
    events = await podnet(state, "events", "--type", "pod", *now)
    told = [json.loads(line) for line in events.out.splitlines()]
    full = [event for event in told if event["action"] == "disk-full"]
    assert [(one["pod"], one["attributes"]["full_disk"]) for one in full] == [("web-1", "/")]
