"""Everything that is shown is executed: the README's Python, its commands, and the examples in docstrings."""

import doctest
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.testing
from support import stubbed
from support.killed import forget_leases, killed_in_its_call
from support.shown import ROOT, Block, blocks, commands, execute, parse
from support.stubbed import environment

from fsm_orch import Runner, ScriptedModel
from machines.helpdesk import ByKeyword, Question

README = ROOT / "README.md"


def python_blocks() -> list[object]:
    """Give the README's Python, each block with its line; one that names a local model needs its weights."""
    return [
        pytest.param(block, id=f"line{block.line}", marks=[pytest.mark.local] if "local:" in block.text else [])
        for block in blocks(README)
        if block.language in ("python", "py")
    ]


def test_readme_shows_python_and_commands() -> None:
    """The README has at least one block of Python, and at least one call of the command."""

    assert python_blocks()
    assert commands(README, "fsm-orch")


@pytest.mark.parametrize("block", python_blocks())
def test_readme_python_runs(block: Block) -> None:
    """A block of Python in the README runs on its own."""
    execute(block)


@pytest.mark.parametrize("words", commands(README, "fsm-orch"), ids=" ".join)
def test_readme_commands_exist(words: tuple[str, ...]) -> None:
    """A call of `fsm-orch` in the README names commands, options and arguments that there are."""
    from fsm_orch.cli import app

    parse(typer.main.get_command(app), words)


@pytest.mark.local
def test_readme_commands_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The commands that it lists are done in their order, in a folder that has only what they make."""
    from fsm_orch.cli import app

    monkeypatch.chdir(tmp_path)
    (listed,) = (block.text for block in blocks(README) if "fsm-orch eval" in block.text)
    _, *lines = listed.splitlines()  # the first enters the environment
    for line in lines:
        program, *words = shlex.split(line)
        if program == "fsm-orch":
            done = typer.testing.CliRunner().invoke(app, words)
            assert (0, "") == (done.exit_code, done.stderr), line
        else:
            subprocess.run(["sh", "-c", line], check=True)

    assert ["queries.csv"] == [made.name for made in tmp_path.iterdir()]


def lines_about_stores() -> list[str]:
    """Give the README's commands on a store, in their order."""
    return [line for block in blocks(README) for line in block.text.splitlines() if "--store sqlite:///runs.db" in line]


def assert_nothing_is_lost(folder: Path, program: Callable[[Sequence[Any] | str], list[str]]) -> None:
    """Do what the README says of a run that is killed, each command in a process of its own.

    Args:
        program: gives the words that start `fsm-orch` with a model that says something.
    """
    begin, *others = [shlex.split(line)[1:] for line in lines_about_stores()]
    run_id = killed_in_its_call([*program("hang"), *begin], folder, after=3)
    forget_leases(folder)
    uses = {"tool": "pay_back", "arguments": {"order": 1041, "cents": 4900, "reason": "broken"}}
    script = [{"reply": {"use": uses}}], [{"reply": {"text": "It is paid."}}]
    listed, resumed, answered = (
        subprocess.run(
            [*program(said), *(run_id if word == "RUN" else word for word in words)],
            **{"cwd": folder, "env": environment(), "capture_output": True, "text": True},
            check=False,
        )
        for said, words in zip(([], *script), others, strict=True)
    )

    assert [(0, ""), (3, ""), (0, "")] == [(done.returncode, done.stderr) for done in (listed, resumed, answered)]
    assert f"{run_id}   " in listed.stdout
    assert "nobody drives it" in listed.stdout
    assert "Waits: Use pay_back(order=1041, cents=4900, reason=" in resumed.stdout
    assert "$49.00 of order 1041 are on their way back to you." in answered.stdout


@pytest.mark.slow
def test_readme_loses_nothing(tmp_path: Path) -> None:
    """A run that is killed while its model answers is listed, resumed and answered by the commands that it shows."""
    assert_nothing_is_lost(tmp_path, stubbed.command)


@pytest.mark.local
def test_readme_loses_nothing_with_its_model(tmp_path: Path) -> None:
    """So it is with the model that the commands take."""
    program = [sys.executable, "-c", "from fsm_orch.cli import app; app()"]
    assert_nothing_is_lost(tmp_path, lambda _: program)


@pytest.mark.parametrize(
    ("extra", "needed"), [("proof", "fsm-orch check"), ("local", "fsm-orch run"), ("sql", "--store sqlite:")]
)
def test_readme_installs_what_it_shows_next(extra: str, needed: str) -> None:
    """An extra is installed above the first line that needs it."""
    shown = "\n".join(block.text for block in blocks(README))
    installed = re.search(rf"\[(?:\w+,)*{extra}(?:,\w+)*\]", shown)

    assert installed
    assert installed.start() < shown.index(needed)


def test_the_gallery_is_collected_without_the_plugins_of_the_tests() -> None:
    """What README says to type needs pytest and this package alone, in a clone too."""
    collect = ["-p", "_fsm_orch_pytestplugin", "--fsm", "machines", "--collect-only", "-q", "-p", "no:cacheprovider"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *collect], cwd=ROOT, env=alone, capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "machines/shop.py::ShopFloor::bounded" in done.stdout


def test_readme_shows_what_its_machine_prints_and_what_is_proved_of_it(monkeypatch, tmp_path: Path) -> None:
    """Its machine, as a file of its own, prints what README shows, and so does a check of it, up to what is assumed."""
    from fsm_orch.cli import app

    monkeypatch.chdir(tmp_path)
    (machine,) = (block.text for block in blocks(README) if "class Desk" in block.text)
    printed, proved = (block.text for block in blocks(README) if block.language == "text")
    (asked,) = re.findall(r"`\.venv/bin/fsm-orch (check desk\.py.*?)`", README.read_text(encoding="utf-8"))
    (tmp_path / "desk.py").write_text(machine, encoding="utf-8")
    ran = subprocess.run([sys.executable, "desk.py"], capture_output=True, text=True, check=True)
    checked = typer.testing.CliRunner().invoke(app, asked.split())

    assert (printed, 0) == (ran.stdout, checked.exit_code)
    assert timeless(proved) == timeless(checked.stdout.partition("  assuming ")[0])


def test_readme_machine_is_short() -> None:
    """The machine that README shows, with a tool and an approval, has at most 46 lines, empty ones aside."""
    (machine,) = (block.text for block in blocks(README) if "class Desk" in block.text)

    assert len([line for line in machine.splitlines() if line.strip()]) <= 46


def timeless(page: str) -> list[str]:
    """Leave out of a page what differs from run to run."""
    text = re.sub(r"in \d+\.\d\d s", "", page.strip())
    return [line.rstrip() for line in text.splitlines()]


def test_readme_extras_exist() -> None:
    """An extra that the README installs is declared."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {
        extra
        for words in commands(README, "pip")
        for named in re.findall(r"\[([\w,]+)\]", " ".join(words))
        for extra in named.split(",")
    }

    assert set() == wanted - set(declared)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "RELEASING.md"])
def test_pages_name_files_that_exist(page: str) -> None:
    """A link of a page to a file leads to one, and so does a path in it; `NAME` stands for a reader's own."""
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    paths = [path for path in re.findall(r"(?:fsm_orch|tests|\.ci)/[\w./]*\w/?", text) if "NAME" not in path]

    assert links or paths
    assert [] == [path for path in [*links, *paths] if not (ROOT / path).exists()]


def test_the_bug_form_tells_how_to_print_a_journal(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines that the form shows print the inputs of a run, each as one line of JSON."""
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^ +from fsm_orch.*\n(?: +.+\n)+?(?= +render:)", form, re.MULTILINE)
    result = Runner(ByKeyword, model=ScriptedModel([])).run_sync(Question(text="hello"))

    exec(textwrap.dedent(lines), {"result": result})

    printed = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert [event.kind for event in result.journal] == printed


def test_docstring_examples_hold() -> None:
    """Every `>>>` in a docstring gives what stands below it."""
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner()
    for path in sorted((ROOT / "fsm_orch").rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for example in finder.find(importlib.import_module(name)):
                runner.run(example)

    assert 0 == runner.failures
