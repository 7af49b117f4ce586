"""The cache folder: where it is, who may use it, and what is left after a failure."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from pod_node.images.cache import CacheFolder, cache_root
from pod_node.images.errors import CacheFolderError, CacheFullError


def test_the_place_follows_podnet_cache_then_xdg_then_home() -> None:
    assert cache_root({"PODNET_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_root({"XDG_CACHE_HOME": "/b"}) == Path("/b/podnet")
    assert cache_root({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache/podnet"
    assert cache_root({}) == Path.home() / ".cache/podnet"


def test_folders_are_closed_to_other_users(cache: CacheFolder) -> None:
    assert cache.compiled().stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_is_refused(cache: CacheFolder) -> None:
    cache.compiled().chmod(0o777)
    with pytest.raises(CacheFolderError, match=r"written by other users.*PODNET_CACHE"):
        cache.compiled()


def test_a_link_in_place_of_a_folder_is_refused(cache: CacheFolder, tmp_path: Path) -> None:
    cache.root.mkdir()
    (cache.root / "compiled").symlink_to(tmp_path)
    with pytest.raises(CacheFolderError, match="is not a folder"):
        cache.compiled()


def test_a_cache_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheFolderError, match="Not a directory"):
        CacheFolder(tmp_path / "file" / "cache").modules()


def test_scratch_is_empty_at_first_and_gone_afterwards(cache: CacheFolder) -> None:
    (cache.root / "scratch" / "key" / "left").mkdir(parents=True, mode=0o700)
    (cache.root / "scratch").chmod(0o700)
    with cache.work("key", "a test", lambda: None) as scratch:
        assert list(scratch.iterdir()) == []
        (scratch / "file").write_text("x")
    assert list((cache.root / "scratch").iterdir()) == []


def test_a_full_disk_inside_the_block_is_told_as_such(cache: CacheFolder) -> None:
    with (
        pytest.raises(CacheFullError, match=r"no space left in .* for a test; free some"),
        cache.work("key", "a test", lambda: None),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list((cache.root / "scratch").iterdir()) == []


def test_the_same_key_is_worked_on_by_one_thread_at_a_time(cache: CacheFolder) -> None:
    order: list[str] = []
    waited = threading.Event()

    def second() -> None:
        with cache.work("key", "a test", waited.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with cache.work("key", "a test", lambda: None), cache.work("other", "a test", lambda: None):
        thread.start()
        assert waited.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_whoever_waits_can_give_up_by_raising(cache: CacheFolder) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    with cache.work("key", "a test", lambda: None):
        with pytest.raises(KeyboardInterrupt), cache.work("key", "a test", give_up):
            pytest.fail("the lock was held")
        assert (cache.root / "scratch" / "key").is_dir()
