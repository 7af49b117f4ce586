"""Manifests: shipped ones are good, wrong ones are refused with the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_node.images.catalogue import MANIFEST_FOLDER
from pod_node.images.errors import ManifestError
from pod_node.images.manifest import (
    Blueprint,
    ImageMount,
    Manifest,
    Product,
    parse_manifest,
    read_manifest,
)
from pod_node.images.sources import FileSource, NpmSource

PLACE = Path("/images/small.toml")
MINIMAL = {
    "name": '"small"',
    "sources": '["file:small.wasm"]',
    "sha256": f'"{"a" * 64}"',
    "size_bytes": "8",
}
TOML_SCALARS = st.one_of(
    st.integers(-(2**40), 2**40).map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.floats(allow_nan=False, allow_infinity=False, width=16).map(str),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')).map(
        lambda value: f'"{value}"'
    ),
)
TOML_VALUES = st.recursive(
    TOML_SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)


def text_with(**keys: str) -> str:
    return "".join(f"{key} = {value}\n" for key, value in (MINIMAL | keys).items())


def test_every_shipped_manifest_is_valid_and_mounts_what_exists(tmp_path: Path) -> None:
    paths = list(MANIFEST_FOLDER.glob("*.toml"))
    assert paths
    for path in paths:
        manifest = read_manifest(path)
        if isinstance(manifest, Blueprint):
            assert path.stem == f"{manifest.name}-{manifest.version}"
            product = Product(
                module=Path("/m.wasm"),
                sha256="0" * 64,
                size_bytes=8,
                folders=(("library", tmp_path),),
            )
            manifest = manifest.manifest(product)
        else:
            assert manifest.name == path.stem
        assert all(mount.source.resolve().is_dir() for mount in manifest.mounts)


def test_a_full_manifest_is_read_with_paths_relative_to_its_folder() -> None:
    text = text_with(
        sources='["npm:@scope/pack@1.2.3#dist/a.wasm", "file:../a.wasm"]',
        kind='"command"',
        programs='["small", "tiny"]',
        entry='["small", "-v"]',
    )
    text += '[environment]\nHOME = "/"\n[search_paths]\nPATH = "/bin"\n'
    text += '[[mounts]]\nsource = "files"\ntarget = "/usr/lib/small"\nbytecode = true\n'
    assert parse_manifest(text, PLACE) == Manifest(
        name="small",
        sources=(
            NpmSource("@scope/pack", "1.2.3", "dist/a.wasm"),
            FileSource("/images/../a.wasm"),
        ),
        sha256="a" * 64,
        size_bytes=8,
        programs=("small", "tiny"),
        entry=("small", "-v"),
        environment=(("HOME", "/"),),
        search_paths=(("PATH", "/bin"),),
        mounts=(ImageMount(source=Path("/images/files"), target="/usr/lib/small", bytecode=True),),
    )


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"name": '"Small"'}, "'name' must be"),
        ({"sha256": '"abc"'}, "'sha256' must be 64 hexadecimal digits"),
        ({"size_bytes": "0"}, "'size_bytes' must be between"),
        ({"size_bytes": "true"}, "'size_bytes' must be of type int, not bool"),
        ({"sources": "[]"}, "at least one source"),
        ({"sources": '["small.wasm"]'}, "no scheme"),
        ({"sources": "[1]"}, "must be a list of words"),
        ({"kind": '"component"'}, "'kind' must be one of command"),
        ({"entri": '["x"]'}, "unknown key 'entri'; did you mean 'entry'"),
        ({"environment": '{"A=B" = "x"}'}, "cannot name a variable"),
        ({"search_paths": "{A = 1}"}, "'search_paths' gives A .* which is no text"),
        ({"mounts": "[1]"}, "must be a list of tables"),
        ({"mounts": '[{source = "a", target = "b"}]'}, "must be an absolute path"),
        ({"mounts": '[{source = "a", target = "/b/../c"}]'}, "must be an absolute path"),
        ({"mounts": '[{target = "/b"}]'}, "'source' is missing"),
        ({"name": "small"}, "is not TOML"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_place_and_key(
    keys: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ManifestError, match=complaint) as caught:
        parse_manifest(text_with(**keys), PLACE)
    assert str(PLACE) in str(caught.value)


@pytest.mark.parametrize("key", [key for key in MINIMAL if key != "sources"])
def test_a_missing_key_is_named(key: str) -> None:
    text = "".join(f"{name} = {value}\n" for name, value in MINIMAL.items() if name != key)
    with pytest.raises(ManifestError, match=f"'{key}' is missing"):
        parse_manifest(text, PLACE)


@given(st.text())
def test_any_text_is_a_manifest_or_a_manifest_error(text: str) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(text, PLACE)


@given(
    st.dictionaries(
        st.sampled_from([*MINIMAL, "kind", "programs", "entry", "environment", "mounts", "x"]),
        TOML_VALUES,
    )
)
def test_any_values_make_a_manifest_or_a_manifest_error(keys: dict[str, str]) -> None:
    try:
        manifest = parse_manifest(text_with(**keys), PLACE)
    except ManifestError as error:
        assert str(PLACE) in str(error)
    else:
        assert isinstance(manifest, Manifest)
        assert manifest.sources


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"absent\.toml: No such file"):
        read_manifest(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_manifest(tmp_path / "binary.toml")
