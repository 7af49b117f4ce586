from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.topology.loader import (
    load_topology,
    read_source,
    read_topology,
    read_topology_bytes,
    renamed,
)
from orchestrator.topology.problems import TopologyError, TopologyNameError

HEAD = "name: t\nservices:\n  web:\n    image: x\n"


def write(folder: Path, text: str, name: str = "t.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_folders_become_absolute_from_the_file_s_folder(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    path = write(tmp_path, HEAD + '    volumes: ["./web:/app"]\n')
    (volume,) = load_topology(path, {}).services["web"].volumes
    assert volume.source == str(tmp_path / "web")


def test_images_stay_as_written_or_become_what_is_found_for_them(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    assert load_topology(path, {}).services["web"].image == "x"

    def find(reference: str, folder: Path) -> str:
        return f"file:{folder}/{reference}"

    topology = read_topology(path, {}, find).topology
    assert topology is not None
    assert topology.services["web"].image == f"file:{tmp_path}/x"


def test_what_is_missing_or_no_folder_and_no_file_is_told_with_its_path(tmp_path: Path) -> None:
    write(tmp_path, "x", "file")
    os.mkfifo(tmp_path / "pipe")
    path = write(tmp_path, HEAD + '    volumes: ["./no:/a", "./file:/b", "./pipe:/c"]\n')
    missing, pipe = (str(problem) for problem in read_topology(path, {}).problems)
    assert f'{path}:5:15: services.web.volumes[0]: "{tmp_path}/no" does not exist' in missing
    assert f'"{tmp_path}/pipe" is no folder and no file' in pipe


def test_environment_files_come_under_the_environment_in_order(tmp_path: Path) -> None:
    write(tmp_path, "A=1\nB=1\nC=1\n", "one.env")
    write(tmp_path, "B=2\nC=${A}${OUT}\n", "two.env")
    lines = "    env_file: [one.env, {path: two.env}, {path: no.env, required: false}]\n"
    path = write(tmp_path, HEAD + lines + "    environment: {A: written, OUT: }\n")
    service = load_topology(path, {"OUT": "!"}).services["web"]
    assert service.environment == {"A": "written", "B": "2", "C": "1!", "OUT": "!"}
    assert service.env_file == ()


def test_a_missing_environment_file_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "    env_file: no.env\n")
    (problem,) = read_topology(path, {}).problems
    assert str(problem) == (
        f'{path}:5:15: services.web.env_file[0]: the file "{tmp_path}/no.env" does not exist'
    )


def test_a_mistake_in_an_environment_file_is_told_in_that_file(tmp_path: Path) -> None:
    env = write(tmp_path, "A=1\nB='open\n", "one.env")
    path = write(tmp_path, HEAD + "    env_file: one.env\n")
    (problem,) = read_topology(path, {}).problems
    assert str(problem) == f"{env}:2:1: the value has no closing ' quote on its line"
    assert problem.source == "B='open"


def test_dotenv_gives_values_that_the_process_environment_overrides(tmp_path: Path) -> None:
    write(tmp_path, "IMAGE=from-file\nN=2\n", ".env")
    text = "name: t\nservices: {web: {image: $IMAGE, deploy: {replicas: $N}}}\n"
    path = write(tmp_path, text)
    service = load_topology(path, {"IMAGE": "from-process"}).services["web"]
    assert (service.image, service.deploy.replicas) == ("from-process", 2)


def test_a_mistake_in_dotenv_is_told_in_that_file(tmp_path: Path) -> None:
    write(tmp_path, "?\n", ".env")
    path = write(tmp_path, HEAD)
    (problem,) = read_topology(path, {}).problems
    assert str(problem).startswith(f"{tmp_path}/.env:1:1: expected NAME=value")


def test_an_unset_variable_is_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "    command: echo $WHO\n")
    reading = read_topology(path, {})
    assert reading.topology is not None
    assert reading.topology.services["web"].command == ("echo",)
    assert [problem.message for problem in reading.problems] == [
        'variable "WHO" is not set; using an empty text'
    ]
    assert not reading.errors


def test_a_loader_of_a_broken_file_raises_everything_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "    a: 1\n    b: 2\n    command: $WHO\n")
    with pytest.raises(TopologyError) as raised:
        load_topology(path, {})
    assert [problem.path[-1] for problem in raised.value.problems] == ["a", "b"]
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"name: \xff\xfe\n", "{}:1:7: not UTF-8 text: byte 0xff; save the file as UTF-8"),
        ("name: t".encode("utf-16"), "{}:1:1: not UTF-8 text"),
        (b"#" * 1024 * 1024 + b"#", "{}: larger than 1024 KiB"),
        (b"a: [", "{}:1:5: not YAML"),
    ],
)
def test_bytes_that_are_no_text_are_told_in_one_line(tmp_path: Path, raw: bytes, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes(raw)
    (problem,) = read_topology(path, {}).problems
    assert str(problem).startswith(said.format(path))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load_topology(path, {}).name == "t"


def test_a_missing_file_and_a_folder_are_told_in_one_line(tmp_path: Path) -> None:
    (problem,) = read_topology(tmp_path / "no.yaml", {}).problems
    assert str(problem) == f"{tmp_path}/no.yaml: does not exist"
    (problem,) = read_topology(tmp_path, {}).problems
    assert str(problem) == f"{tmp_path}: is a folder, not a file"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_file_is_told_in_one_line() -> None:
    (problem,) = read_topology("/dev/zero", {}).problems
    assert "larger than" in str(problem)


def test_a_path_that_no_file_can_have_is_told_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + f"    env_file: {'x' * 5000}\n")
    (problem,) = read_topology(path, {}).problems
    assert "cannot be read: File name too long" in str(problem)
    assert sys.getrecursionlimit() >= 1000


def test_a_topology_is_read_again_under_another_name(tmp_path: Path) -> None:
    text = b"name: one\nservices: {a: {image: python}}\n"
    reading = renamed(read_topology_bytes(text, "t.yaml", tmp_path, {}), "twin")
    assert reading.source is not None
    again = read_source(reading.source)
    assert reading.topology is not None
    assert reading.topology.name == "twin"
    assert again.topology == reading.topology
    for name in ("No Name", "", "-", "x" * 64):
        with pytest.raises(TopologyNameError, match="the name "):
            renamed(reading, name)
