"""Where pods' own folders are, when they are kept, and when they go."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pod_node.files import DiskUsage, FolderError, Roots, remove_roots
from pod_node.files.roots import memory_folder
from pod_node.spec import Mount, PodSpec, Tmpfs
from tests.support.pods import make_spec


def spec_with(**changes: object) -> PodSpec:
    return replace(make_spec(network=None), **changes)  # type: ignore[arg-type]


def root_of(tmp_path: Path) -> Path:
    return tmp_path / "state" / "roots" / "web-1"


def test_nothing_is_made_before_the_first_pod(tmp_path: Path) -> None:
    Roots(tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


def test_a_root_is_kept_for_a_pod_that_is_started_again_as_it_was(
    roots: Roots, tmp_path: Path
) -> None:
    spec = spec_with()
    first = roots.open(spec, ())
    (root_of(tmp_path) / "tmp" / "mark").touch()
    usage = DiskUsage(target="/", used_bytes=12345 << 10, limit_bytes=1 << 30, linked=True)
    roots.close("web-1", (usage,))
    again = roots.open(spec, ())
    assert (root_of(tmp_path) / "tmp" / "mark").exists()
    assert again.root.folder == first.root.folder
    assert (again.root.used_bytes, again.root.linked) == (usage.used_bytes, True)
    assert again.root.names is None


@pytest.mark.parametrize(
    "changes", [{"working_dir": "/elsewhere"}, {"image": "other"}, {"command": ("python", "-V")}]
)
async def test_a_root_is_made_anew_for_a_pod_that_has_changed(
    roots: Roots, tmp_path: Path, changes: dict[str, object]
) -> None:
    roots.open(spec_with(), ())
    (root_of(tmp_path) / "tmp" / "mark").touch()
    roots.open(spec_with(**changes), ())
    assert not (root_of(tmp_path) / "tmp" / "mark").exists()
    assert roots.has_discarded
    await roots.sweep()
    assert os.listdir(root_of(tmp_path).parent) == ["web-1"]
    assert not roots.has_discarded


async def test_a_tmpfs_is_in_memory_and_gone_with_the_pod(roots: Roots, tmp_path: Path) -> None:
    spec = spec_with(tmpfs=(Tmpfs(target="/run", size_bytes=1 << 20), Tmpfs(target="/tmp")))
    run, tmp = roots.open(spec, ()).disks[1:]
    assert run.folder.is_relative_to("/dev/shm")
    assert (run.target, run.limit_bytes, run.used_bytes) == ("/run", 1 << 20, 0)
    (run.folder / "file").touch()
    roots.close("web-1", ())
    assert not run.folder.exists()
    await roots.sweep()
    assert list(memory_folder(tmp_path / "state").iterdir()) == []
    fresh = roots.open(spec, ()).disks[1]
    assert list(fresh.folder.iterdir()) == []
    assert tmp.target == "/tmp"


def test_what_tmpfs_take_is_no_part_of_what_is_kept(roots: Roots) -> None:
    spec = spec_with(tmpfs=(Tmpfs(target="/run"),))
    roots.open(spec, ())
    root = DiskUsage(target="/", used_bytes=100 << 12, limit_bytes=1 << 30)
    memory = DiskUsage(target="/run", used_bytes=30 << 12, limit_bytes=1 << 30)
    roots.close("web-1", (root, memory))
    assert roots.open(spec, ()).root.used_bytes == 70 << 12


def test_mounts_get_places_that_are_seen_when_a_folder_is_listed(
    roots: Roots, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    mounts = (
        Mount(source=tmp_path / "folder", target="/srv/app"),
        Mount(source=tmp_path / "folder", target="/srv/app/below"),
        Mount(source=tmp_path / "file", target="/etc/app/config"),
    )
    roots.open(
        spec_with(working_dir="/srv/app/deeper/still", tmpfs=(Tmpfs(target="/x/y"),)), mounts
    )
    root = root_of(tmp_path)
    assert (root / "srv/app").is_dir()
    assert not any((root / "srv/app").iterdir()), "what is hidden is not made"
    assert (root / "etc/app/config").is_file()
    assert (root / "x/y").is_dir()


def test_no_link_that_a_pod_left_is_followed_on_the_host(roots: Roots, tmp_path: Path) -> None:
    spec = spec_with(working_dir="/srv/app")
    roots.open(spec, ())
    (tmp_path / "outside").mkdir()
    os.rmdir(root_of(tmp_path) / "srv/app")
    os.rmdir(root_of(tmp_path) / "srv")
    (root_of(tmp_path) / "srv").symlink_to(tmp_path / "outside")
    with pytest.raises(FolderError, match="web-1"):
        roots.open(spec, ())
    assert list((tmp_path / "outside").iterdir()) == []


def test_two_deployments_do_not_share_a_place_in_memory(tmp_path: Path) -> None:
    assert memory_folder(tmp_path / "a") != memory_folder(tmp_path / "b")


def test_all_that_pods_wrote_goes_at_once(roots: Roots, tmp_path: Path) -> None:
    folders = roots.open(spec_with(tmpfs=(Tmpfs(target="/run"),)), ())
    remove_roots(tmp_path / "state")
    assert not any(disk.folder.exists() for disk in folders.disks)
    remove_roots(tmp_path / "state")


def test_a_machine_without_memory_for_files_says_so(tmp_path: Path) -> None:
    roots = Roots(tmp_path / "state", memory=tmp_path / "no")
    with pytest.raises(FolderError, match="there is no such folder for tmpfs"):
        roots.open(spec_with(tmpfs=(Tmpfs(target="/run"),)), ())


def test_a_state_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(FolderError, match="web-1: Not a directory"):
        Roots(tmp_path / "state").open(spec_with(), ())
