"""`fsm-orch new`: what it writes builds, passes its own tests and all checkers, whatever it is like."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.shown import ROOT
from typer.testing import CliRunner

from fsm_orch import ScriptedModel
from fsm_orch.cli import app
from fsm_orch.cli.new import choices

FEW = """
from hypothesis import settings
settings.register_profile("few", max_examples=10)
settings.load_profile("few")
"""
"""For the tests of the projects: the gallery's own tests draw as many examples of the same as ever."""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project like each machine of the gallery, `desk_shop` and so on."""
    folder = tmp_path_factory.mktemp("projects")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for like in choices():
            done = CliRunner().invoke(app, ["new", f"desk_{like}", "--like", like])
            assert (0, "") == (done.exit_code, done.stderr)
    return folder


@pytest.fixture
def alone(like: str, projects: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Work in the project like a machine, where no other is on the path; return its name."""
    folder, before = projects / f"desk_{like}", {*sys.modules}
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder.name
    for name in {*sys.modules} - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_gallery_is_what_there_is() -> None:
    """Each machine of the gallery can be started from, and modules without a machine cannot."""
    assert {"coding", "expense", "fraud", "refund", "shop", "sql", "travel"} <= {*choices()}
    assert not {"database", "sandbox"} & {*choices()}


@pytest.mark.slow
@pytest.mark.parametrize("like", choices())
def test_a_project_is_whole_at_once(alone: str) -> None:
    """It passes `check`, and ruff by its own settings, with no module but its own, and its service has routes."""
    checked = CliRunner().invoke(app, ["check", f"{alone}:{alone.title().replace('_', '')}"])

    assert checked.exit_code == 0, checked.output
    passes("ruff", "check", ".")
    passes("ruff", "format", "--check", ".")
    assert "/runs" in importlib.import_module("service").app.openapi()["paths"]


@pytest.mark.slow
def test_projects_pass_their_tests(projects: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has two, which pass in one process; no plugin is loaded but ours, as with the extra `test`."""
    monkeypatch.chdir(projects)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (projects / "conftest.py").write_text(FEW)

    said = passes("pytest", "-q", "-W", "error", "-p", "_fsm_orch_pytestplugin")
    assert f"{2 * len(choices())} passed" in said


@pytest.mark.slow
def test_projects_are_typed(projects: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They pass mypy --strict, in one process; modules that several projects have are the same in all."""
    folders = [projects / f"desk_{like}" for like in choices()]
    monkeypatch.setenv("MYPYPATH", os.pathsep.join(map(str, (ROOT, *folders))))

    files = [str(folder / file) for folder in folders for file in (f"{folder.name}.py", f"test_{folder.name}.py")]
    passes("mypy", "--strict", "--cache-dir", str(projects / ".mypy_cache"), *files)


def passes(*words: str) -> str:
    """Run a Python program here; return what it says.

    Raises AssertionError: if it does not exit with 0.
    """
    env = os.environ | {"PYTHONPATH": str(ROOT), "FSM_ORCH_PROFILE": "ci"}
    ran = subprocess.run([sys.executable, "-m", *words], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (words, ran.stdout, ran.stderr)
    return ran.stdout


@pytest.mark.parametrize("like", choices())
def test_what_to_do_next_is_told_with_a_real_question(like: str, here: Path) -> None:
    """It is that of the machine's own page, and the names that have to change together are said."""
    told = CliRunner().invoke(app, ["new", "my_desk", "--like", like]).stdout
    test = (here / "my_desk" / "test_my_desk.py").read_text()

    command = re.search(r"^  fsm-orch (?:run|chat) my_desk(?::\w+)?( \"[^\"]{9,}\")?$", told, re.M)
    assert command is not None, told
    assert command[1] or "fsm-orch chat" in command[0]
    context = re.search(r"change my_desk\.py, and (\w+) in test_my_desk\.py too", told)
    assert context is not None
    assert f"{context[1]}(" in test
    assert "1041" not in test
    assert [] == [path.name for path in (here / "my_desk").glob("*.py") if "machines/" in path.read_text()]


def test_data_goes_by_the_name_of_the_project(here: Path) -> None:
    """Its file, and what reads it."""
    assert CliRunner().invoke(app, ["new", "my_desk", "--like", "helpdesk"]).exit_code == 0

    assert ["my_desk_centroids.json"] == [path.name for path in (here / "my_desk").glob("*.json")]
    texts = [path.read_text() for path in (here / "my_desk").glob("*.py")]
    assert any('"my_desk_centroids.json"' in text for text in texts)
    assert not any("helpdesk_" in text for text in texts)


@pytest.mark.slow
def test_a_project_says_by_which_rules_it_is_typed(here: Path) -> None:
    """`mypy .` is strict there: a function without types is an error."""
    assert CliRunner().invoke(app, ["new", "my_desk"]).exit_code == 0
    (here / "my_desk" / "my_own.py").write_text("def untyped(value):\n    return value\n")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "my_own.py"], cwd="my_desk", capture_output=True, text=True, check=False
    )

    assert "Function is missing a type annotation" in ran.stdout


@pytest.mark.parametrize(
    "name", ["no-name", "1st", "class", "json", "service", "a/b", "..", "", "_", "pydantic", "é", "a" * 61, "a" * 256]
)
def test_a_name_is_an_identifier_of_its_own(name: str, here: Path) -> None:
    """A name that no module may bear, or that another bears, is refused, and nothing is written."""
    done = CliRunner().invoke(app, ["new", name])

    assert (2, 1) == (done.exit_code, len(done.stderr.splitlines()))
    assert [] == list(here.iterdir())


@pytest.mark.parametrize(("name", "like"), [("database", "sql"), ("orders", "sql"), ("claims", "expense")])
def test_a_name_is_none_of_the_modules_beside_the_machine(name: str, like: str, here: Path) -> None:
    """They are written too, and one would stand in the place of the other."""
    done = CliRunner().invoke(app, ["new", name, "--like", like])

    assert (2, []) == (done.exit_code, list(here.iterdir()))
    assert f"NAME {name!r} is a module that {like!r} has beside it" in done.stderr


def test_a_service_has_one_world_for_all_its_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that comes again is not paid again."""
    assert CliRunner().invoke(app, ["new", "own_claims", "--like", "expense"]).exit_code == 0
    monkeypatch.syspath_prepend(here / "own_claims")
    today = dt.date.today().isoformat()
    reply = {"date": today, "total": "20.00", "kind": "taxi"}
    text = (here / "own_claims" / "service.py").read_text()
    names: dict[str, Any] = {"replies": ScriptedModel([reply] * 2)}
    exec(text.replace('model="local:smollm2"', "model=replies"), names)
    claim = {"context": {"text": f"Taxi on {today}: 20.00 EUR. Total 20.00 EUR."}}
    with TestClient(names["app"]) as client:
        ends = [client.post("/runs", json=claim).json()["state"] for _ in range(2)]

    assert ["paid", "by_hand"] == ends


def test_a_wrong_choice_lists_the_right_ones() -> None:
    """So somebody need not look for the gallery."""
    done = CliRunner().invoke(app, ["new", "desk", "--like", "../refund"])

    assert done.exit_code == 2
    assert ", ".join(choices()) in done.stderr


def test_nothing_is_written_over(here: Path) -> None:
    """A folder or a file of that name stays as it is."""
    (here / "desk").write_text("mine")
    done = CliRunner().invoke(app, ["new", "desk"])

    assert (done.exit_code, (here / "desk").read_text()) == (2, "mine")


def test_a_name_that_the_module_has_is_not_given_twice(here: Path) -> None:
    """A project called as a class of its module has a machine of another name."""
    assert CliRunner().invoke(app, ["new", "claim", "--like", "expense"]).exit_code == 0

    assert "class ClaimMachine(Machine[Claim, Till]):" in (here / "claim" / "claim.py").read_text()


def test_a_project_has_the_files_of_the_modules_beside_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that reads a database is copied too, and no text says that a module lies elsewhere."""
    assert CliRunner().invoke(app, ["new", "own_sql", "--like", "sql"]).exit_code == 0
    monkeypatch.chdir(here / "own_sql")
    asks = "from own_sql import deps\nwith deps() as database: print(database.rows('SELECT count(*) FROM orders'))"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", asks], env=env, capture_output=True, check=False)

    assert (ran.stdout, ran.stderr) == (b"2000\n", b"")
    copied = {path.stem for path in Path().glob("*.py")} | {"sql"}
    told = {name for path in Path().glob("*.py") for name in re.findall(r"machines[./](\w+)", path.read_text())}
    assert "database_reader" in copied
    assert not copied & told
