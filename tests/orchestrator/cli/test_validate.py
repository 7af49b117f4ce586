from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.validate import command

GOOD = "name: shop\nservices:\n  web: {image: python, deploy: {replicas: 2}}\n"
BAD = 'name: shop\nservices:\n  web:\n    image: python\n    prots: ["8080"]\n    scale: 2\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def validate(*arguments: str, text: str | None = None, color: bool = False) -> Result:
    if text is not None:
        Path("shop.yaml").write_text(text)
    return CliRunner().invoke(command, arguments, color=color)


@pytest.mark.usefixtures("folder")
def test_a_good_file_gets_one_line_and_status_zero() -> None:
    result = validate("shop.yaml", text=GOOD)
    assert (result.exit_code, result.output) == (
        0,
        "shop.yaml: ok, 1 service, 2 pods, 1 network\n",
    )


@pytest.mark.usefixtures("folder")
def test_a_bad_file_gets_every_mistake_with_its_line_and_a_caret_and_status_one() -> None:
    result = validate("shop.yaml", text=BAD)
    assert result.exit_code == 1
    assert result.stdout == (
        'shop.yaml:5:5: services.web.prots: unknown key "prots"; did you mean "ports"?\n'
        '        prots: ["8080"]\n'
        "        ^\n"
        'shop.yaml:6:5: services.web.scale: "scale" is not yet supported; '
        'write "deploy: {replicas: 2}"\n'
        "        scale: 2\n"
        "        ^\n"
    )
    assert result.stderr == "shop.yaml: 2 errors\n"


@pytest.mark.usefixtures("folder")
def test_programs_get_a_json_array() -> None:
    result = validate("shop.yaml", "--format", "json", text=BAD)
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert first == {
        "file": "shop.yaml",
        "line": 5,
        "column": 5,
        "path": "services.web.prots",
        "severity": "error",
        "message": 'unknown key "prots"; did you mean "ports"?',
    }
    assert second["line"] == 6
    result = validate("shop.yaml", "--format", "json", text=GOOD)
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


@pytest.mark.usefixtures("folder")
def test_a_warning_does_not_make_a_file_bad() -> None:
    result = validate("shop.yaml", text=GOOD.replace("python", "python$NO_SUCH_VARIABLE"))
    assert result.exit_code == 0
    assert "shop.yaml:3:16: warning: services.web.image: variable" in result.output
    assert result.output.endswith("shop.yaml: ok, 1 service, 2 pods, 1 network\n")


@pytest.mark.usefixtures("folder")
def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in validate("shop.yaml", text=BAD, color=True).output
    assert "\x1b[" not in validate("shop.yaml", text=BAD).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in validate("shop.yaml", text=BAD, color=True).output


@pytest.mark.usefixtures("folder")
def test_a_file_cannot_send_control_characters_to_the_terminal() -> None:
    text = 'name: t\nservices: {web: {image: x, "\\e[31m\\a": "\u202e\x85"}}\n'
    result = validate("shop.yaml", text=text)
    assert result.exit_code == 1
    assert all(c.isprintable() or c == "\n" for c in result.output)
    assert "\\x1b[31m" in result.output


@pytest.mark.usefixtures("folder")
def test_a_long_line_is_cut_around_the_caret() -> None:
    text = f"name: t\nservices: {{web: {{image: ./{'x' * 300}, prots: 1, command: {'y' * 300}}}}}\n"
    result = validate("shop.yaml", text=text)
    _, line, caret = result.stdout.splitlines()
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("prots: 1")
    assert line.strip().startswith("...xxx")
    assert line.endswith("yyy...")


@pytest.mark.usefixtures("folder")
def test_a_caret_stands_under_its_place_behind_wide_characters() -> None:
    result = validate("shop.yaml", text='name: t\nservices: {web: {image: "./店店", prots: 1}}\n')
    _, line, caret = result.stdout.splitlines()
    assert caret.index("^") == line.index("prots") + 2


@pytest.mark.usefixtures("folder")
def test_missing_files_and_folders_are_one_line() -> None:
    assert validate("no.yaml").output == "no.yaml: does not exist\nno.yaml: 1 error\n"
    assert validate(".").output == ".: is a folder, not a file\n.: 1 error\n"


@pytest.mark.usefixtures("folder")
def test_standard_input_is_a_dash() -> None:
    result = CliRunner().invoke(command, ["-"], input=GOOD)
    assert result.output == "<stdin>: ok, 1 service, 2 pods, 1 network\n"


@pytest.mark.usefixtures("folder")
def test_the_schema_needs_no_file() -> None:
    result = validate("--schema")
    assert result.exit_code == 0
    assert json.loads(result.output)["title"] == "podnet topology"


@pytest.mark.usefixtures("folder")
def test_no_file_is_a_mistake_in_the_command_line() -> None:
    result = validate()
    assert result.exit_code == 2
    assert "Missing argument FILE" in result.output


def test_the_verb_loads_no_heavy_module_before_it_runs() -> None:
    code = (
        "import sys, orchestrator.cli.validate\n"
        "heavy = {'pydantic', 'networkx', 'yaml', 'grpc', 'wasmtime'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)
    assert result.returncode == 0


@pytest.mark.usefixtures("folder")
def test_every_image_that_up_would_refuse_is_told_with_its_place() -> None:
    text = "name: shop\nservices:\n  web: {image: pyton}\n  api: {image: zzz, scale: 2}\n"
    result = validate("shop.yaml", text=text)
    assert result.exit_code == 1
    web, _, _, api, *_ = result.stdout.splitlines()
    unknown = 'shop.yaml:3:16: services.web.image: unknown image "pyton"; did you mean "python"?'
    assert web.startswith(unknown)
    assert api.startswith('shop.yaml:4:16: services.api.image: unknown image "zzz". Known images: ')
    assert result.stderr == "shop.yaml: 3 errors\n"
    row, *_ = json.loads(validate("shop.yaml", "--format", "json").stdout)
    assert (row["path"], row["line"], row["column"]) == ("services.web.image", 3, 16)


@pytest.mark.usefixtures("folder")
def test_a_missing_image_is_missing_and_not_unknown_as_well() -> None:
    result = validate("shop.yaml", text="name: shop\nservices: {web: {command: x}}\n")
    assert result.stderr == "shop.yaml: 1 error\n"
    assert 'the key "image" is missing' in result.stdout


@pytest.mark.usefixtures("folder")
def test_services_that_cannot_reach_each_other_are_a_warning() -> None:
    text = "name: t\nnetworks: {a: , b: }\nservices:\n  web: {image: python, networks: [a]}\n"
    text += "  api: {image: python, networks: [b]}\n"
    result = validate("shop.yaml", text=text)
    assert result.exit_code == 0
    assert "shop.yaml: warning: networks: no packet can pass between web and api;" in result.output
    assert result.output.endswith("shop.yaml: ok, 2 services, 2 pods, 2 networks\n")
    (row,) = json.loads(validate("shop.yaml", "--format", "json").stdout)
    assert (row["severity"], row["line"]) == ("warning", None)
    joined = text + "  gw: {image: python, networks: [a, b], router: true}\n"
    assert "warning" not in validate("shop.yaml", text=joined).output
