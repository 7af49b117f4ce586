"""Commands of a build: logged, told of while they run, ended when nobody wants them any more."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pod_node.images.recipes.errors import BuildFailedError
from pod_node.images.recipes.workshop import Workshop


class GivenUpError(Exception):
    """What a test's listener raises."""


def workshop_in(folder: Path, told: list[str] | None = None) -> Workshop:
    return Workshop(folder, folder / "build.log", (told if told is not None else []).append)


def test_what_a_command_prints_is_in_the_log_below_the_command(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    with workshop.step("speaking"):
        workshop.run(["sh", "-c", "echo out; echo err >&2"], tmp_path)
    lines = workshop.log.read_text().splitlines()
    assert lines[:2] == ["=== speaking", "$ sh -c echo out; echo err >&2"]
    assert sorted(lines[2:4]) == ["err", "out"]
    assert lines[4].startswith("=== speaking: ")


def test_a_failure_names_the_step_the_last_complaint_and_the_log(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    script = "echo 'a.c:1: error: no such thing'; echo make: stopping; exit 3"
    with pytest.raises(BuildFailedError) as failure, workshop.step("compiling"):
        workshop.run(["sh", "-c", script], tmp_path)
    text = str(failure.value)
    assert text.startswith("compiling failed: sh ended with status 3")
    assert "a.c:1: error: no such thing" in text
    assert str(workshop.log) in text


def test_a_program_that_is_not_there_is_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(BuildFailedError, match="no-such-program: No such file or directory"):
        workshop_in(tmp_path).run(["no-such-program"], tmp_path)


def test_a_step_that_is_done_is_not_done_again_by_the_next_try(tmp_path: Path) -> None:
    done: list[int] = []
    for number in range(3):
        workshop_in(tmp_path).once("counting sheep", lambda: done.append(number))  # noqa: B023
    assert done == [0]


def test_a_step_that_failed_is_done_again(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    with pytest.raises(BuildFailedError):
        workshop.once("failing", lambda: workshop.run(["false"], tmp_path))
    workshop.once("failing", lambda: workshop.run(["touch", "now"], tmp_path))
    assert (tmp_path / "now").exists()


def test_what_was_made_with_other_tools_is_made_again(tmp_path: Path) -> None:
    done: list[str] = []
    for tools in ("zig in one place", "zig in one place", "zig in another"):
        workshop = workshop_in(tmp_path)
        workshop.write("a line\n")
        workshop.settle(tools)
        workshop.path("objects").mkdir(exist_ok=True)
        workshop.once("compiling", lambda: done.append(tools))  # noqa: B023
    assert done == ["zig in one place", "zig in another"]
    assert workshop.log.read_text().count("a line\n") == 3, "the log is kept"


def test_giving_up_ends_the_command_and_all_that_it_started(tmp_path: Path) -> None:
    def listen(step: str) -> None:
        if step == "sleeping" and (tmp_path / "child").exists():
            raise GivenUpError

    workshop = Workshop(tmp_path, tmp_path / "build.log", listen)
    script = "sleep 600 & echo $! > draft; mv draft child; wait"
    with pytest.raises(GivenUpError), workshop.step("sleeping"):
        workshop.run(["sh", "-c", script], tmp_path)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < deadline, "the child lives on"
        os.sched_yield()


def test_commands_do_not_see_flags_that_the_user_set_for_other_compilers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-march=native")
    workshop = workshop_in(tmp_path)
    workshop.run(["sh", "-c", 'test -z "$CFLAGS" && test "$OWN" = 1'], tmp_path, {"OWN": "1"})


def _runs(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
