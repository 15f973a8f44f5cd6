"""Everything that is shown is executed: the README's Python, its commands, and the examples in docstrings."""

import ast
import asyncio
import doctest
import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
import typer.testing

from fsm_orch import Runner, ScriptedModel
from machines.helpdesk import ByKeyword, Question

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
SHELLS = {"bash", "console", "sh", "shell"}
PIPES = {"&&", "||", "|", ";", ">", ">>", "2>"}


class Block(NamedTuple):
    """A fenced block of the README."""

    language: str
    line: int
    """Of its first line in the README."""
    text: str


def blocks() -> list[Block]:
    """Read the fenced blocks that name a language."""
    readme = README.read_text(encoding="utf-8")
    return [
        Block(found["language"], readme.count("\n", 0, found.start("text")) + 1, found["text"])
        for found in FENCE.finditer(readme)
    ]


def commands(program: str) -> list[tuple[str, ...]]:
    """Give the words after a program's name, up to a pipe or its kin, for each call of it in a shell block."""
    lines = [
        line.removeprefix("$ ")
        for block in blocks()
        if block.language in SHELLS
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    words = [word for line in lines for word in (*shlex.split(line, comments=True), ";")]
    calls = [words[place + 1 :] for place, word in enumerate(words) if Path(word).name == program]
    return [tuple(takewhile(lambda word: word not in PIPES, call)) for call in calls]


def python_blocks() -> list[object]:
    """Give the README's Python, each block with its line; one that names a local model needs its weights."""
    return [
        pytest.param(block, id=f"line{block.line}", marks=[pytest.mark.local] if "local:" in block.text else [])
        for block in blocks()
        if block.language in ("python", "py")
    ]


def execute(block: Block) -> None:
    """Execute a block as a program of its own, with its tests; it may `await` at the top, as in a notebook."""
    program = "\n" * (block.line - 1) + block.text  # so that a traceback shows the README's lines
    code = compile(program, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, object] = {"__name__": "__main__"}
    waiting = eval(code, names)
    if inspect.iscoroutine(waiting):
        asyncio.run(waiting)
    for name, test in list(names.items()):
        if name.startswith("test_") and callable(test):
            test()


def parse(command: typer.core.TyperGroup, words: tuple[str, ...]) -> None:
    """Read a command line without doing what it says.

    Raises typer's UsageError: if it names what does not exist.
    """
    if words and not words[0].startswith("-") and isinstance(command, typer.core.TyperGroup):
        assert words[0] in command.commands, f"no command {words[0]!r}; there are: {', '.join(command.commands)}"
        parse(command.commands[words[0]], words[1:])
    else:
        try:
            command.make_context("fsm-orch", list(words))
        except typer.Exit:  # from --help and its kin
            return


def test_readme_shows_python_and_commands() -> None:
    """The README has at least one block of Python, and at least one call of the command."""

    assert python_blocks()
    assert commands("fsm-orch")


@pytest.mark.parametrize("block", python_blocks())
def test_readme_python_runs(block: Block) -> None:
    """A block of Python in the README runs on its own."""
    execute(block)


@pytest.mark.parametrize("words", commands("fsm-orch"), ids=" ".join)
def test_readme_commands_exist(words: tuple[str, ...]) -> None:
    """A call of `fsm-orch` in the README names commands, options and arguments that there are."""
    from fsm_orch.cli import app

    parse(typer.main.get_command(app), words)


@pytest.mark.local
def test_readme_commands_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The commands that it lists are done in their order, in a folder that has only what they make."""
    from fsm_orch.cli import app

    monkeypatch.chdir(tmp_path)
    (listed,) = (block.text for block in blocks() if "fsm-orch eval" in block.text)
    _, *lines = listed.splitlines()  # the first enters the environment
    for line in lines:
        program, *words = shlex.split(line)
        if program == "fsm-orch":
            done = typer.testing.CliRunner().invoke(app, words)
            assert (0, "") == (done.exit_code, done.stderr), line
        else:
            subprocess.run(["sh", "-c", line], check=True)

    assert ["queries.csv"] == [made.name for made in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("extra", "needed"), [("proof", "fsm-orch check"), ("local", "fsm-orch run"), ("test", "fsm_orch.testing import")]
)
def test_readme_installs_what_it_shows_next(extra: str, needed: str) -> None:
    """An extra is installed above the first line that needs it."""
    shown = "\n".join(block.text for block in blocks())
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


def test_readme_shows_the_page_of_a_check(monkeypatch) -> None:
    """The page that the README shows is what `fsm-orch check` prints, but for the seconds it took."""
    from fsm_orch.cli import app

    monkeypatch.chdir(ROOT)
    (shown,) = (block.text for block in blocks() if block.text.startswith("ShopFloor builds"))
    printed = typer.testing.CliRunner().invoke(app, ["check", "machines.shop"]).stdout

    assert timeless(shown) == timeless(printed)


def timeless(page: str) -> list[str]:
    """Leave out of a page what differs from run to run."""
    text = re.sub(r"in \d+\.\d\d s", "", page.strip())
    return [line.rstrip() for line in text.splitlines()]


def test_readme_extras_exist() -> None:
    """An extra that the README installs is declared."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {
        extra
        for words in commands("pip")
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
