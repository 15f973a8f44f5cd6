"""`fsm-orch new`: what it writes builds, passes its own tests and all checkers, whatever it is like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.shown import ROOT
from typer.testing import CliRunner

from fsm_orch.cli import app
from fsm_orch.cli.new import choices


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_gallery_is_what_there_is() -> None:
    """Each machine of the gallery can be started from, and modules without a machine cannot."""
    assert {"coding", "expense", "fraud", "refund", "shop", "sql", "travel"} <= {*choices()}
    assert not {"library", "sandbox"} & {*choices()}


@pytest.mark.slow
@pytest.mark.parametrize("like", choices())
def test_a_project_is_whole_at_once(like: str, here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It passes `check`, its tests, ruff and mypy --strict, and its service has routes."""
    done = CliRunner().invoke(app, ["new", "my_desk", "--like", like])
    assert (0, "") == (done.exit_code, done.stderr)

    folder, cache = here / "my_desk", tmp_path_factory.getbasetemp() / "mypy"  # of all projects: it knows the package
    env = os.environ | {"PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT), "FSM_ORCH_PROFILE": "ci"}
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # a project's own environment has only ours: the extra `test`
    for words in (
        ("fsm_orch.cli", "check", "my_desk:MyDesk"),
        ("pytest", "-q", "-W", "error", "-p", "_fsm_orch_pytestplugin"),
        ("ruff", "check", "--isolated", "--line-length", "120", "."),
        ("ruff", "format", "--isolated", "--line-length", "120", "--check", "."),
        ("mypy", "--strict", "--cache-dir", str(cache), f"{folder}/my_desk.py", f"{folder}/test_my_desk.py"),
    ):
        program = [sys.executable, "-c", "from fsm_orch.cli import app; app()"] if words[0] == "fsm_orch.cli" else None
        command = [*(program or [sys.executable, "-m", words[0]]), *words[1:]]
        ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, (words, ran.stdout, ran.stderr)
    served = "import service; assert '/runs' in service.app.openapi()['paths']"
    subprocess.run([sys.executable, "-c", served], cwd=folder, env=env, check=True)


@pytest.mark.parametrize("name", ["no-name", "1st", "class", "json", "service", "a/b", "..", "", "_", "pydantic", "é"])
def test_a_name_is_an_identifier_of_its_own(name: str, here: Path) -> None:
    """A name that no module may bear, or that another bears, is refused, and nothing is written."""
    done = CliRunner().invoke(app, ["new", name])

    assert (2, 1) == (done.exit_code, len(done.stderr.splitlines()))
    assert [] == list(here.iterdir())


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
