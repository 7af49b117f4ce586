"""Locks that are folders go with the process that holds them, and only those."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod_node.files import Roots
from pod_node.spec import Mount, Tmpfs
from tests.support.lab import Lab
from tests.support.puppet import Puppet
from tests.support.wasi import Open

VOLUME, ROOT, MEMORY = 3, 4, 5


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / "volume").mkdir()
    return tmp_path / "volume"


@pytest.fixture
async def guest(pods: Lab, roots: Roots, volume: Path) -> Puppet:
    return await pods.puppet(
        name="db",
        mounts=(Mount(source=volume, target="/data"),),
        tmpfs=(Tmpfs(target="/memory"),),
        roots=roots,
    )


async def make_file(guest: Puppet, directory: int, name: str) -> None:
    await guest.close(await guest.open(directory, name, create=Open.CREATE))


async def make_folder(guest: Puppet, directory: int, name: str) -> None:
    await guest.checked("path_create_directory", directory, *guest.path(name))


async def end(guest: Puppet, child: Puppet) -> None:
    await guest.checked("proc_kill", child.number, 9)
    assert await guest.wait(0) == (child.number, 9)


async def listed(guest: Puppet, directory: int) -> set[str]:
    return {entry.name for entry in await guest.readdir(directory)} - {".", ".."}


async def gone(guest: Puppet, directory: int, name: str) -> None:
    """Wait until somebody can make the folder: its remover may be a moment behind."""
    while await guest.call("path_create_directory", directory, *guest.path(name)):
        pass


@pytest.mark.parametrize("directory", [VOLUME, ROOT, MEMORY])
async def test_a_lock_goes_with_the_process_that_holds_it(
    pods: Lab, guest: Puppet, directory: int
) -> None:
    child = await pods.spawn_puppet(guest)
    await make_folder(guest, directory, "deep")
    for name in ("one.db", "deep/two.db"):
        await make_file(child, directory, name)
        await make_folder(child, directory, f"{name}.lock")
    await make_file(guest, directory, "ours.db")
    await make_folder(guest, directory, "ours.db.lock")
    await end(guest, child)
    await gone(guest, directory, "one.db.lock")
    await gone(guest, directory, "deep/two.db.lock")
    assert await guest.call("path_create_directory", directory, *guest.path("ours.db.lock"))


async def test_what_is_no_lock_of_its_own_stays(pods: Lab, guest: Puppet, volume: Path) -> None:
    child = await pods.spawn_puppet(guest)
    await make_folder(child, VOLUME, "alone.lock")
    for name in ("full", "given back", "locked"):
        await make_file(child, VOLUME, name)
    await make_folder(child, VOLUME, "full.lock")
    await make_file(child, VOLUME, "full.lock/kept")
    await make_folder(child, VOLUME, "given back.lock")
    await child.checked("path_remove_directory", VOLUME, *child.path("given back.lock"))
    await make_folder(guest, VOLUME, "given back.lock")
    await make_folder(child, VOLUME, "folder")
    await make_folder(child, VOLUME, "folder.lock")
    await make_folder(child, VOLUME, "locked.lock")
    await end(guest, child)
    await gone(guest, VOLUME, "locked.lock")
    stays = {"alone.lock", "full.lock", "given back.lock", "folder.lock", "locked.lock"}
    assert stays <= set(os.listdir(volume))


async def test_locks_do_not_stay_on_the_disk_s_count(pods: Lab, guest: Puppet) -> None:
    assert guest.guest.pod is not None
    usage = guest.guest.pod.disks().usage
    child = await pods.spawn_puppet(guest)
    await make_file(child, ROOT, "db")
    before = usage()[0].used_bytes
    await make_folder(child, ROOT, "db.lock")
    assert usage()[0].used_bytes > before
    await end(guest, child)
    await gone(guest, ROOT, "db.lock")
    await guest.checked("path_remove_directory", ROOT, *guest.path("db.lock"))
    assert usage()[0].used_bytes == before


async def test_locks_go_with_the_pod(guest: Puppet, volume: Path) -> None:
    await make_file(guest, VOLUME, "db")
    await make_folder(guest, VOLUME, "db.lock")
    await guest.kill()
    assert os.listdir(volume) == ["db"]
