"""`fsm-orch import` of modules that are no Python, or are gone once they were read, and of names no UTF-8 has."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adopt.record import CODES_RECORDED, RECORDED
from typer.testing import CliRunner

from fsm_orch.cli import app

GOES = f"""
import json, os
from support.foreign_objects import made_again

def make():
    os.remove(__file__)
    with open("{RECORDED}/openai_agents.json") as file:
        return made_again(json.load(file)["read"])
"""
HALF = f"""
import json
from support.foreign_objects import made_again

with open("{CODES_RECORDED}") as file:
    written = json.load(file)["FSM614"]["mended"]
written["objects"][0]["attributes"]["name"] = "half \\ud800"
half = made_again(written)
"""

Said = Callable[..., Any]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """Run `import` in a folder of its own; return its result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # which also forgets what was found before
    return lambda *arguments: CliRunner().invoke(app, ["import", *arguments])


@pytest.mark.parametrize(
    "source",
    [b"x = (", b"x = 1\0", b"# -*- coding: nonsense -*-\n", b"\xff\xfe", b"x" + b"=(" * 5_000, b"x=" + b"-" * 200_000],
    ids=["open", "null", "coding", "bytes", "brackets", "deep"],
)
def test_a_module_that_is_no_python_is_said(said: Said, tmp_path: Path, source: bytes) -> None:
    """One line says what is wrong with it, as of any module that cannot be imported."""
    (tmp_path / "no_python.py").write_bytes(source)
    result = said("no_python:triage")

    assert 2 == result.exit_code
    assert "Importing 'no_python' raised" in result.output


def test_a_module_that_removes_itself_is_read(said: Said, tmp_path: Path) -> None:
    """What is found is said to stand at its file, of which no line is known any more."""
    (tmp_path / "goes.py").write_text(GOES, "utf-8")
    result = said("goes:make()", "--json")

    assert 0 == result.exit_code
    assert f"{tmp_path / 'goes.py'}:1" in {finding["where"] for finding in json.loads(result.stdout)["findings"]}


def test_a_name_that_no_utf_8_has_is_printed_as_json(said: Said, tmp_path: Path) -> None:
    """Half of a surrogate pair in the name of a node stays escaped."""
    (tmp_path / "halves.py").write_text(HALF, "utf-8")
    result = said("halves:half", "--json")

    assert result.stdout.isascii()
    assert "half \ud800" in json.loads(result.stdout)["graph"]["nodes"]
