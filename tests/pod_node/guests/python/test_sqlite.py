"""SQLite's locks, which are folders here, in pods that are killed while they hold one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod_node.files import clear_lock_folders
from pod_node.spec import Mount
from tests.pod_node.guests.python.conftest import PodNetwork

HOLD = """
    import sqlite3, time
    database = sqlite3.connect("/data/shop.db", isolation_level=None)
    database.execute("create table sold (what)")
    database.execute("insert into sold values ('one')")
    database.execute("begin immediate")
    database.execute("insert into sold values ('two')")
    print("holds it")
    time.sleep(1000)
"""
USE = """
    import sqlite3
    database = sqlite3.connect("/data/shop.db", timeout=0)
    try:
        print(database.execute("select what from sold").fetchall())
    except sqlite3.OperationalError as error:
        print(error)
"""


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    (tmp_path / "volumes" / "data").mkdir(parents=True)
    return tmp_path / "volumes"


async def test_a_pod_that_is_killed_in_a_transaction_leaves_no_lock(
    pods: PodNetwork, volumes: Path
) -> None:
    mounts = (Mount(source=volumes / "data", target="/data"),)
    holder = pods.run(HOLD, mounts=mounts)
    await holder.printed("holds it")
    assert (volumes / "data" / "shop.db.lock").is_dir()
    beside = pods.run(USE, mounts=mounts)
    assert await beside.finished() == "database is locked\n"
    holder.kill()
    await holder.ended_somehow()
    after = pods.run(USE, mounts=mounts)
    assert await after.finished() == "[('one',)]\n"
    (volumes / "data" / "shop.db.lock").mkdir()  # as a node that was killed leaves it
    clear_lock_folders(volumes)
    again = pods.run(USE, mounts=mounts)
    assert await again.finished() == "[('one',)]\n"


def test_only_locks_of_databases_are_cleared(volumes: Path) -> None:
    for name in ("deep/real", "new", "text", "full"):
        database = volumes / name
        database.parent.mkdir(exist_ok=True)
        database.write_bytes(b"SQLite format 3\0..." if name in ("deep/real", "full") else b"")
        (volumes / f"{name}.lock").mkdir()
    (volumes / "text").write_text("no database")
    (volumes / "full.lock" / "kept").touch()
    (volumes / "alone.lock").mkdir()
    (volumes / "link").symlink_to(volumes / "deep" / "real")
    (volumes / "link.lock").mkdir()
    clear_lock_folders(volumes)
    left = {path.name for path in volumes.rglob("*.lock")}
    assert left == {"text.lock", "full.lock", "alone.lock", "link.lock"}
    clear_lock_folders(volumes / "nowhere")
