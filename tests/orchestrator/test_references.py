from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from orchestrator.references import ImageReferenceError, with_absolute_images
from orchestrator.topology import load_topology

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.topology import Topology


def topology(folder: Path, image: str) -> Topology:
    path = folder / "t.yaml"
    path.write_text(f"name: t\nservices:\n  web: {{image: {image}}}\n")
    return load_topology(path, {})


def test_a_known_name_stays_and_a_path_becomes_absolute(tmp_path: Path) -> None:
    named = with_absolute_images(topology(tmp_path, "python"), "t.yaml", tmp_path)
    assert named.services["web"].image == "python"
    own = with_absolute_images(topology(tmp_path, "./own.wasm"), "t.yaml", tmp_path)
    assert own.services["web"].image == f"file:{tmp_path}/own.wasm"


def test_an_unknown_name_is_told_with_its_place_and_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ImageReferenceError) as failure:
        with_absolute_images(topology(tmp_path, "pyton"), "t.yaml", tmp_path)
    text = str(failure.value)
    assert text.startswith(
        "t.yaml: services.web.image: unknown image 'pyton'; did you mean python?"
    )
    assert str(pickle.loads(pickle.dumps(failure.value))) == text
