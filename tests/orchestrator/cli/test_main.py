from __future__ import annotations

import subprocess
import sys

import pytest

from orchestrator.cli.main import ELSEWHERE, VERBS, Verbs, main, podnet

HEAVY = ("grpc", "pydantic", "networkx", "rich", "wasmtime", "yaml", "segno")


def test_help_lists_the_verbs_and_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from orchestrator.cli.main import main\n"
        "status = main(['--help'])\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "sys.exit(f'loaded {loaded}' if loaded else status)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_a_command_and_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"podnet {verb}" in capsys.readouterr().out
    assert isinstance(podnet, Verbs)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("upp", 'podnet has no "upp"; did you mean "up"?'),
        ("zzz", f'podnet has no "zzz"; there are: {", ".join(sorted(VERBS))}'),
        *(
            (verb, f'podnet has no "{verb}"; there is {instead}')
            for verb, instead in ELSEWHERE.items()
        ),
    ],
)
def test_an_unknown_verb_is_a_usage_error_with_a_hint(
    word: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word, "shop"]) == 2
    assert capsys.readouterr().err.endswith(f"Error: {hint}\n")


def test_no_verb_is_both_there_and_missing() -> None:
    assert not VERBS.keys() & ELSEWHERE.keys()


def test_an_unexpected_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(podnet, "main", fail)
    monkeypatch.delenv("PODNET_DEBUG", raising=False)
    assert main([]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: podnet made a mistake (ZeroDivisionError: division by zero)")
    monkeypatch.setenv("PODNET_DEBUG", "1")
    assert main([]) == 1
    assert "Traceback" in capsys.readouterr().err
