"""Parts of images from one cache to another: whole, sealed, and nothing else."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node.images.cache import CacheFolder
from pod_node.images.errors import PartRefusedError
from pod_node.images.handing import (
    BUSY_S,
    PIECE_BYTES,
    Giver,
    Offer,
    Taker,
    sealing_key,
)
from pod_node.images.parts import ImageParts, Part, PartKind, pack, unpack

KEY = sealing_key(b"a deployment's token")
LAYER = Part(PartKind.LAYER, "1a" * 32)


@pytest.fixture
def here(tmp_path: Path) -> ImageParts:
    return ImageParts(CacheFolder(tmp_path / "here"), "engine 1")


@pytest.fixture
def there(tmp_path: Path) -> ImageParts:
    return ImageParts(CacheFolder(tmp_path / "there"), "engine 1")


@contextmanager
def offered(part: Part, here: ImageParts) -> Iterator[tuple[Giver, Offer]]:
    giver = Giver(here, KEY)
    offer = giver.offer(part)
    try:
        yield giver, offer
    finally:
        giver.close(part)


def hand_over(part: Part, here: ImageParts, there: ImageParts) -> bool:
    """Bring a part from one cache to another; whether it was wanted."""
    taker = Taker(there, KEY)
    with offered(part, here) as (giver, offer):
        if not taker.begin(offer):
            return False
        for offset in range(0, offer.size_bytes, PIECE_BYTES):
            taker.write(part, offset, giver.read(part, offset))
        taker.finish(part)
    return True


def make_layer(parts: ImageParts) -> Path:
    folder = parts.path_of(LAYER)
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / "package" / "a.py").write_text("x = 1\n")
    (folder / "package" / "__pycache__" / "a.pyc").write_bytes(bytes(range(256)))
    (folder / "empty").mkdir()
    return folder


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_a_folder_arrives_as_it_is_and_is_taken_once(here: ImageParts, there: ImageParts) -> None:
    folder = make_layer(here)
    assert hand_over(LAYER, here, there)
    assert content_of(there.path_of(LAYER)) == content_of(folder)
    assert not hand_over(LAYER, here, there)
    assert list(there.cache.scratch().iterdir()) == []


def test_a_module_of_several_pieces_arrives_and_has_its_digest(
    here: ImageParts, there: ImageParts
) -> None:
    module = b"\0asm\x01\0\0\0" + bytes(PIECE_BYTES) + b"end"
    part = Part(PartKind.MODULE, hashlib.sha256(module).hexdigest())
    here.path_of(part).write_bytes(module)
    assert hand_over(part, here, there)
    assert there.path_of(part).read_bytes() == module


def test_a_compiled_module_arrives_with_its_record(here: ImageParts, there: ImageParts) -> None:
    part = Part(PartKind.COMPILED, "2b" * 32)
    here.path_of(part).write_bytes(b"machine code")
    assert hand_over(part, here, there)
    assert there.has(part)
    with there.path_of(part).open("r+b") as file:
        file.write(b"M")
    assert not there.has(part)
    assert hand_over(part, here, there)
    assert there.has(part)


def test_a_module_under_the_digest_of_another_is_refused(
    here: ImageParts, there: ImageParts
) -> None:
    part = Part(PartKind.MODULE, "3c" * 32)
    here.path_of(part).write_bytes(b"\0asm\x01\0\0\0")
    with pytest.raises(PartRefusedError, match="its bytes have the sha256"):
        hand_over(part, here, there)
    assert not there.has(part)


@pytest.mark.parametrize("change", ["part", "size", "digest", "seal", "key"])
def test_nothing_is_taken_that_the_deployment_did_not_seal(
    change: str, here: ImageParts, there: ImageParts
) -> None:
    make_layer(here)
    with offered(LAYER, here) as (_, offer):
        pass
    part, size, digest, sealed, key = LAYER, offer.size_bytes, offer.sha256, offer.seal, KEY
    match change:
        case "part":
            part = Part(PartKind.COMPILED, LAYER.key)
        case "size":
            size += 1
        case "digest":
            digest = "0" * 64
        case "seal":
            sealed = bytes(32)
        case "key":
            key = sealing_key(b"another token")
    taker = Taker(there, key)
    with pytest.raises(PartRefusedError, match="no seal of this deployment"):
        taker.begin(Offer(part=part, size_bytes=size, sha256=digest, seal=sealed))


def test_other_bytes_than_were_offered_leave_nothing(here: ImageParts, there: ImageParts) -> None:
    make_layer(here)
    taker = Taker(there, KEY)
    with offered(LAYER, here) as (giver, offer):
        assert taker.begin(offer)
        taker.write(LAYER, 0, giver.read(LAYER, 0)[:-1])
    with pytest.raises(PartRefusedError, match="wrong digest"):
        taker.finish(LAYER)
    assert not there.path_of(LAYER).exists()
    assert list(there.cache.scratch().iterdir()) == []


def test_what_is_abandoned_leaves_nothing_and_its_lock_is_free(
    here: ImageParts, there: ImageParts
) -> None:
    make_layer(here)
    taker = Taker(there, KEY)
    with offered(LAYER, here) as (_, offer):
        assert taker.begin(offer)
    taker.abandon(LAYER)
    taker.abandon(LAYER)
    assert hand_over(LAYER, here, there)


def test_what_is_being_made_on_the_machine_is_left_to_whoever_makes_it(
    here: ImageParts, there: ImageParts
) -> None:
    make_layer(here)
    times = iter([0.0, BUSY_S / 2, BUSY_S + 1])
    taker = Taker(there, KEY, lambda: next(times))
    with (
        offered(LAYER, here) as (_, offer),
        there.cache.work(there.lock_of(LAYER), "a layer", lambda: None),
        pytest.raises(PartRefusedError, match="is being made on this machine"),
    ):
        taker.begin(offer)


def test_what_is_not_there_cannot_be_given(here: ImageParts) -> None:
    giver = Giver(here, KEY)
    with pytest.raises(PartRefusedError, match="is not here"):
        giver.offer(LAYER)
    with pytest.raises(PartRefusedError, match="not given any more"):
        giver.read(LAYER, 0)


def test_two_who_are_given_the_same_part_do_not_close_it_for_each_other(here: ImageParts) -> None:
    make_layer(here)
    giver = Giver(here, KEY)
    assert giver.offer(LAYER) == giver.offer(LAYER)
    giver.close(LAYER)
    assert giver.read(LAYER, 0)
    giver.close(LAYER)
    with pytest.raises(PartRefusedError):
        giver.read(LAYER, 0)


def archive_of(*entries: tarfile.TarInfo) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    return into.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "evil",
    [
        entry("../outside"),
        entry("/outside"),
        entry("a/../../outside"),
        entry("link", tarfile.SYMTYPE, "/etc"),
        entry("link", tarfile.LNKTYPE, "/etc/passwd"),
        entry("device", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name} {info.type.decode()}",
)
def test_an_archive_reaches_nothing_outside_its_folder(
    evil: tarfile.TarInfo, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(archive_of(evil))
    with pytest.raises(PartRefusedError):
        unpack(LAYER, archive, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "folder"]


@given(st.binary(max_size=2048))
def test_any_bytes_are_an_archive_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "archive").write_bytes(content)
    with suppress(PartRefusedError):
        unpack(LAYER, folder / "archive", folder / "unpacked")


def test_packing_is_the_same_every_time(tmp_path: Path, here: ImageParts) -> None:
    folder = make_layer(here)
    first, second = io.BytesIO(), io.BytesIO()
    pack(folder, first)
    pack(folder, second)
    assert first.getvalue() == second.getvalue()
