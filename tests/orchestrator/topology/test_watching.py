"""What is done about changed files."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.topology.schema.develop import WatchAction
from orchestrator.topology.watching import Copies, Reaction, Rule, concerned, react
from orchestrator.views.phases import Phase, PodView
from tests.support.pods import make_spec


def rule(
    service: str = "web",
    action: WatchAction = WatchAction.SYNC,
    path: str = "/src/web",
    target: str = "/app",
    ignore: tuple[str, ...] = (),
    include: tuple[str, ...] = (),
) -> Rule:
    return Rule(
        service=service,
        path=PurePosixPath(path),
        is_folder=True,
        action=action,
        target=target,
        ignore=ignore,
        include=include,
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/src/web/a.py", "a.py"),
        ("/src/web/deep/er/a.py", "deep/er/a.py"),
        ("/src/web", "."),
        ("/src/webber/a.py", None),
        ("/src/other", None),
        ("/src/web/__pycache__/a.pyc", None),
        ("/src/web/.git/HEAD", None),
        ("/src/web/.a.py.swp", None),
        ("/src/web/a.py~", None),
    ],
)
def test_paths_below_a_rule_concern_it_but_for_what_nobody_means(
    path: str, name: str | None
) -> None:
    assert concerned(rule(), path) == name


@pytest.mark.parametrize(
    ("patterns", "ignored", "kept"),
    [
        (("*.md",), ["a.md", "deep/b.md"], ["a.py", "md"]),
        (("node_modules/",), ["node_modules/x/y", "deep/node_modules/z"], ["modules"]),
        (("deep/tests",), ["deep/tests/a", "deep/tests"], ["tests/a", "other/deep/tests"]),
        (("**/tmp",), ["tmp/a", "x/tmp/b"], ["tmpx"]),
        (("./build",), ["build/x"], ["rebuild"]),
    ],
)
def test_ignored_patterns_cover_what_is_below_them(
    patterns: tuple[str, ...], ignored: list[str], kept: list[str]
) -> None:
    patterned = rule(ignore=patterns)
    assert [name for name in ignored if concerned(patterned, f"/src/web/{name}")] == []
    assert [concerned(patterned, f"/src/web/{name}") for name in kept] == kept


def test_included_patterns_leave_out_all_else() -> None:
    patterned = rule(include=("*.py",))
    assert concerned(patterned, "/src/web/deep/a.py") == "deep/a.py"
    assert concerned(patterned, "/src/web/a.txt") is None


def test_many_changes_make_one_reaction_for_each_service() -> None:
    web, api = rule(), rule("api", WatchAction.SYNC_AND_RESTART, target="/srv/")
    other = rule("api", WatchAction.RESTART, path="/src/conf", target="")
    reactions = react(
        [web, api, other],
        ["/src/web/b", "/src/web/a", "/src/conf/x"],
        ["/src/web/gone", "/elsewhere"],
    )
    by_service = {reaction.service: reaction for reaction in reactions}
    assert by_service["web"].synced == {web: ["a", "b"]}
    assert by_service["web"].removed == ["/app/gone"]
    assert not by_service["web"].restarts
    assert by_service["api"].synced == {api: ["a", "b"]}
    assert by_service["api"].removed == ["/srv/gone"]
    assert by_service["api"].restarts


def test_a_restart_alone_copies_nothing_and_a_lost_folder_removes_nothing() -> None:
    (reaction,) = react([rule(action=WatchAction.RESTART)], ["/src/web/a"], ["/src/web/b"])
    assert (reaction.synced, reaction.removed, reaction.restarts) == ({}, [], True)
    assert react([rule()], [], ["/src/web"])[0].removed == []
    assert react([rule()], ["/other"], []) == []


@given(st.text(max_size=30), st.lists(st.text(max_size=10), max_size=3))
def test_any_path_and_pattern_is_taken(path: str, patterns: list[str]) -> None:
    name = concerned(rule(ignore=tuple(patterns)), f"/src/web/{path}")
    assert name is None or ".." not in name.split("/") or ".." in path


def view(
    pod: str, phase: Phase = Phase.RUNNING, command: str = "serve", where: str = ""
) -> PodView:
    return PodView(spec=make_spec(pod, command=(command,)), phase=phase, machine=where)


def lacking(copies: Copies, *pods: PodView) -> list[str]:
    return [pod.spec.name for pod in copies.lacking(pods, ["web", "api"])]


def test_pods_that_come_later_or_with_a_fresh_root_lack_what_others_have() -> None:
    copies = Copies()
    web = rule()
    copies.note(Reaction("web", synced={web: ["a", "b"]}))
    copies.note(Reaction("web", synced={web: ["b", "c"]}, removed=["/app/a"]))
    assert copies.names(web) == ["a", "b", "c"], "what is gone is left out when it is read"
    assert copies.names(rule("api")) == []
    assert lacking(copies, view("web-1"), view("db-1")) == ["web-1"]
    copies.complete(view("web-1"))
    assert lacking(copies, view("web-1"), view("web-1", Phase.EXITED)) == []
    assert lacking(copies, view("web-1", command="new"), view("web-1", where="b")) == ["web-1"] * 2
    assert lacking(copies, view("web-2", Phase.WAITING), view("web-3", Phase.STARTING)) == []
    copies.complete(view("web-2"))
    copies.lose("web-1")
    assert lacking(copies, view("web-1"), view("web-2")) == ["web-1"]
    copies.lose()
    assert lacking(copies, view("web-1"), view("web-2")) == ["web-1", "web-2"]
