from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster.views import NodeState
from orchestrator.desired.declaration import (
    Declaration,
    NetworkMemory,
    PortalMemory,
    Renewal,
    Scale,
    Wanted,
)
from orchestrator.lifecycle.restart import RestartRecord
from orchestrator.serving.access import Certificate, ListenAddress
from orchestrator.store.store import MIGRATIONS, Store, StoreError
from orchestrator.topology.source import TopologySource

SOURCE = TopologySource(
    path="/a/shop.yaml",
    directory="/a",
    text="name: shop\n",
    variables={"TAG": "ü"},
    files={"/a/x.env": b"A=\xff\x00"},
    name="twin",
)
FULL = Declaration(
    revision=7,
    wanted=Wanted.UP,
    source=SOURCE,
    previous=TopologySource(path="", directory="/", text="old"),
    rolled_back=True,
    scales={"web": Scale(5, 2)},
    stopped=frozenset({"api", "web-2"}),
    surges={"web": 1},
    standing={"api": "api-1 is exited (1)"},
    leases={("front", "web-1"): IPv4Address("10.0.0.2")},
    subnets={"front": IPv4Network("10.0.0.0/24")},
    portals=PortalMemory(labels={("web", 80): "abc-web-80"}, shared_host_port=4000),
    network=NetworkMemory(
        changes=(("link AAAA", None), ("hold BBBB", 12.5)),
        resumes={"web-1": 99.5},
        schedule_began_s=1.5,
        schedule_done=3,
    ),
    renewals={"web-1": Renewal(3), "web-2": Renewal(1, replaced=True)},
    nodes={"blue": NodeState.CORDONED, "red": NodeState.DRAINED},
    listening=ListenAddress(
        host="0.0.0.0",
        port=7443,
        tls=Certificate(certificate=Path("/a/server.pem"), key=Path("/a/server.key")),
        client_ca=Path("/a/ca.pem"),
        token_file=Path("/a/token"),
    ),
)
RECORD = RestartRecord(restarts=5, short_lives=4, delay_s=1.6, generation=6, due_at=123.25)


def stored(path: Path) -> Declaration:
    with Store.open(path) as store:
        return store.load()


def test_a_new_database_holds_nothing_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert stored(path) == Declaration()
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state.db"]


def test_everything_that_is_declared_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store:
        store.load()
        store.save(FULL)
        store.save_restarts({"web-1": RECORD, "web-2": RECORD})
        store.save_restarts({"web-2": None})
    with Store.open(path) as store:
        assert store.load() == FULL
        assert store.load_restarts() == {"web-1": RECORD}
        store.forget_restarts()
        assert store.load_restarts() == {}


def test_a_topology_that_is_applied_again_and_again_leaves_two_behind(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store:
        before = store.load()
        for revision in range(1, 5):
            source = TopologySource(path="", directory="/", text=f"version {revision}")
            before = Declaration(revision=revision, source=source, previous=before.source)
            store.save(before)
    assert stored(path) == before
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM topologies").fetchone() == (2,)
    connection.close()


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    program = """
import os, signal, sys
from pathlib import Path
from orchestrator.desired.declaration import Declaration, Wanted
from orchestrator.store.store import Store
store = Store.open(Path(sys.argv[1]))
store.load()
store.save(Declaration(revision=41, wanted=Wanted.UP))
store.save(Declaration(revision=42, wanted=Wanted.UP))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert stored(path).revision == 42


@given(raw=st.binary(max_size=9000))
def test_any_bytes_are_refused_with_the_file_and_a_remedy(
    raw: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("db") / "state.db"
    path.write_bytes(raw)
    with pytest.raises(StoreError) as refused:
        stored(path)
    assert str(path) in str(refused.value)
    assert f'mv "{path}"' in str(refused.value)


@given(data=st.data())
def test_a_damaged_database_is_refused_or_read_as_it_was(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("db") / "state.db"
    with Store.open(path) as store:
        store.load()
        store.save(FULL)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=200))
    raw[at : at + len(damage)] = damage
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        found = stored(path)
    except StoreError as refused:
        assert str(path) in str(refused)
    else:
        assert found.revision == FULL.revision or found == Declaration()


def test_an_empty_file_is_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    with pytest.raises(StoreError, match="none of podnet's"):
        stored(tmp_path / "state.db")


def test_a_database_of_a_newer_podnet_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    later = (*MIGRATIONS, "CREATE TABLE more (x INTEGER)")
    Store.open(path, later).close()
    with pytest.raises(StoreError, match="a newer podnet wrote it"):
        stored(path)


def test_a_database_of_an_older_podnet_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store:
        store.load()
        store.save(FULL)
    later = (*MIGRATIONS, "CREATE TABLE more (x INTEGER); INSERT INTO more VALUES (1)")
    with Store.open(path, later) as store:
        assert store.load() == FULL
    Store.open(path, later).close()


def test_what_the_first_podnet_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Store.open(path, MIGRATIONS[:1]).close()
    row = [1, 7, "up", 0, None, None, "{}", '["web"]', '{"surges":{},"standing":{}}', "{}"]
    row += ['{"labels":[],"shared_host_port":4000}']
    row += ['{"changes":[],"resumes":{},"schedule_began_s":null,"schedule_done":0}']
    with sqlite3.connect(path) as connection:
        connection.execute(f"INSERT INTO deployment VALUES ({','.join('?' * 12)})", row)
    connection.close()
    found = Declaration(
        revision=7,
        wanted=Wanted.UP,
        stopped=frozenset({"web"}),
        portals=PortalMemory(shared_host_port=4000),
    )
    with Store.open(path) as store:
        assert store.load() == found
        store.save(FULL)
    assert stored(path) == FULL


def test_an_address_that_would_let_anybody_in_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with Store.open(path) as store:
        store.load()
        store.save(FULL)
    with sqlite3.connect(path) as connection:
        text = "replace(replace(listening, '/a/ca.pem', ''), '/a/token', '')"
        connection.execute(f"UPDATE deployment SET listening = {text}")
    connection.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE deployment SET listening = replace(listening, '\"\"', 'null')")
    connection.close()
    with pytest.raises(StoreError, match="would let anybody in"):
        stored(path)


def test_a_full_disk_is_told_and_what_was_kept_still_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    before, before_signal = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIGXFSZ
    handler = signal.signal(before_signal, signal.SIG_IGN)
    with Store.open(path) as store:
        store.load()
        store.save(Declaration(revision=1, wanted=Wanted.UP))
        large = TopologySource(path="", directory="/", text="x" * 2_000_000)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
            with pytest.raises(StoreError, match="make room") as refused:
                store.save(Declaration(revision=2, wanted=Wanted.UP, source=large))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(before_signal, handler)
        assert str(path) in str(refused.value)
    assert stored(path) == Declaration(revision=1, wanted=Wanted.UP)
