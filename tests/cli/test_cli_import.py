"""`fsm-orch import`: two numbers, findings, and a module that is written whole or not at all."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from adopt.record import CODES_RECORDED, RECORDED
from typer.testing import CliRunner

from fsm_orch.cli import app

APP = f"""
import json
from support.foreign_objects import made_again

def one(name):
    with open(f"{RECORDED}/{{name}}.json") as file:
        return made_again(json.load(file)["read"])

triage = one("openai_agents")
swarm = one("langgraph_swarm")
wide = one("langgraph_wide")
cycle = one("langgraph_cycle")
nothing = {{}}
with open("{CODES_RECORDED}") as file:
    plain = made_again(json.load(file)["FSM614"]["mended"])

def make():
    return triage

async def make_later():
    return triage

class Desk:
    def __init__(self):
        self.made = triage

    def graph(self):
        return self.made

    async def later(self):
        return self.made

def make_of(name):
    return triage

def writes_too():
    with open("support_desk.py", "w") as file:
        file.write("mine")
    return triage

def fails():
    raise ValueError("no key")

def ends():
    raise SystemExit(0)

async def ends_later():
    raise SystemExit(0)

async def says():
    print("read me")
    return triage

def __getattr__(name):
    if name == "absent":
        raise RuntimeError("not here")
    raise AttributeError(name)
"""

Said = Callable[..., Any]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """Run a command beside a module with objects of other frameworks; return its result."""
    (tmp_path / "foreign_app.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield lambda *words: CliRunner().invoke(app, [*words])
    for name in ("foreign_app", "support_desk"):
        sys.modules.pop(name, None)


def test_the_first_screen_is_two_numbers(said: Said) -> None:
    """The incident: what it costs as it stands, what as a machine, and the handoff to itself by name."""
    result = said("import", "foreign_app:triage")

    assert 0 == result.exit_code, result.output
    stands, owned = [line for line in result.output.splitlines() if line.startswith("  as ")]
    assert "at most 10 requests" in stands
    assert "max_turns=10" in stands
    assert stands.count("$") == owned.count("$") == 1
    assert owned.endswith("(proved)")
    assert "FSM601: 'triage' may go to itself by 'transfer_to_triage', which a model chooses" in result.output
    assert "foreign_app.py:" in result.output


def test_a_written_module_is_what_check_proves(said: Said, tmp_path: Path) -> None:
    """--write gives a module of which `check` says the same numbers; a second time it is kept."""
    imported = json.loads(said("import", "foreign_app:triage", "--write", "support_desk.py", "--json").stdout)
    text = (tmp_path / "support_desk.py").read_text("utf-8")
    importlib.invalidate_caches()
    checked = json.loads(said("check", "support_desk", "--json").stdout)["machines"][0]
    again = said("import", "foreign_app:swarm", "--write", "support_desk.py")

    assert "foreign_app:triage" in text
    assert imported["as_a_machine"]["is_proved"]
    assert imported["as_a_machine"]["tokens"] == checked["certificate"]["bounds"]["tokens"]["bound"]
    assert (2, text) == (again.exit_code, (tmp_path / "support_desk.py").read_text("utf-8"))
    assert "is there already, and is kept" in again.output


@pytest.mark.parametrize("name", ["json.py", "desk.txt", "no/such/desk.py", "1st.py"])
def test_no_module_is_written_that_could_not_be_imported(said: Said, name: str, tmp_path: Path) -> None:
    """A name that hides a module, or that no module can have, is refused before anything is read."""
    result = said("import", "foreign_app:triage", "--write", name)

    assert 2 == result.exit_code
    assert [tmp_path / "foreign_app.py"] == [path for path in tmp_path.iterdir() if path.is_file()]


@pytest.mark.parametrize("kind", ["a file", "a link", "a link to nothing", "a folder"])
def test_what_is_there_is_kept(said: Said, kind: str, tmp_path: Path) -> None:
    """Nothing is written over, nor where a link leads."""
    elsewhere, there = tmp_path / "elsewhere.txt", tmp_path / "support_desk.py"
    if kind == "a link":
        elsewhere.write_text("mine", encoding="utf-8")
    make: dict[str, Callable[[], object]] = {
        "a file": lambda: there.write_text("mine", encoding="utf-8"),
        "a link": lambda: there.symlink_to(elsewhere),
        "a link to nothing": lambda: there.symlink_to(elsewhere),
        "a folder": there.mkdir,
    }
    make[kind]()

    result = said("import", "foreign_app:triage", "--write", "support_desk.py")

    assert (2, "a link to nothing" != kind) == (result.exit_code, there.exists())
    assert "is there already, and is kept" in result.output
    if kind in ("a file", "a link"):
        assert "mine" == there.read_text("utf-8")


def test_what_the_imported_module_writes_is_kept(said: Said, tmp_path: Path) -> None:
    """A file that was made while it was read is not written over."""
    result = said("import", "foreign_app:writes_too()", "--write", "support_desk.py")

    assert 2 == result.exit_code
    assert "mine" == (tmp_path / "support_desk.py").read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["make()", "make_later()", "says()", "Desk().made", "Desk().graph()", "Desk().later()"]
)
def test_a_factory_is_called(said: Said, name: str) -> None:
    """A function without arguments, a class or a method, async or not, makes what is read."""
    result = said("import", f"foreign_app:{name}", "--json")

    assert "openai-agents" == json.loads(result.stdout)["graph"]["framework"]


def test_a_package_in_a_package_of_its_name_is_found(
    said: Said, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project is often laid out so, and is imported from its own folder."""
    inner = tmp_path_factory.mktemp("project") / "airline" / "airline"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    (inner / "desk.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(inner.parent)
    importlib.invalidate_caches()
    result = said("import", "airline.desk:triage")
    for name in [name for name in sys.modules if name.startswith("airline")]:
        del sys.modules[name]

    assert 0 == result.exit_code, result.output
    assert "airline/desk.py:" in result.output


def test_the_next_command_can_be_pasted(said: Said) -> None:
    """A shell takes brackets for its own, so a name that has some is quoted."""
    assert (
        "the machine: fsm-orch import 'foreign_app:make()' --write FILE" in said("import", "foreign_app:make()").output
    )


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("foreign_app:nothing", "is a dict, which cannot be read. Expected: an openai-agents Agent, a LangGraph"),
        ("foreign_app:triag", "Did you mean 'triage'?"),
        ("foreign_app", "names no object"),
        ("foreign_app:make_of()", "missing a required argument: 'name'. Write one without arguments"),
        ("foreign_app:fails()", "raised ValueError"),
        ("foreign_app:ends()", "raised SystemExit"),
        ("foreign_app:ends_later()", "raised SystemExit"),
        ("foreign_app:absent", "raised RuntimeError"),
        ("foreign_app:Desk().grph()", "Did you mean 'Desk().graph()'?"),
        ("foreign_app:Desk.graph()", "missing a required argument: 'self'"),
        ("foreign_app:nothing()", "is no function: leave out the brackets"),
        ("machines.refund:Refunds", "is a machine already: fsm-orch check machines.refund:Refunds"),
    ],
)
def test_what_cannot_be_read_is_said(said: Said, target: str, words: str) -> None:
    """One line says what was named, and what to name."""
    result = said("import", target)

    assert 2 == result.exit_code
    assert words in result.output


def test_check_names_the_command_that_reads_it(said: Said) -> None:
    """`check` of an object of another framework says what it is, and the command for it."""
    result = said("check", "foreign_app:triage")

    assert 2 == result.exit_code
    assert "it is an openai-agents Agent: fsm-orch import foreign_app:triage" in result.output


def test_work_side_by_side_is_not_called_proved(said: Said) -> None:
    """A graph with a fork, a join and a Send has errors for them, and no bound that is called proved."""
    shown = said("import", "foreign_app:wide")
    found = json.loads(said("import", "foreign_app:wide", "--json").stdout)

    assert "not proved: work side by side is in no bound" in shown.output
    assert "(proved)" not in shown.output
    assert not found["as_a_machine"]["is_proved"]
    assert {"FSM609", "FSM610", "FSM611"} <= {each["code"] for each in found["findings"] if each["level"] == "error"}


def test_strict_fails_on_an_error_alone(said: Said) -> None:
    """--strict ends with 1 where a finding is an error, and with 0 where there are none but warnings."""
    assert 1 == said("import", "foreign_app:triage", "--strict").exit_code
    assert 0 == said("import", "foreign_app:triage").exit_code
    plain = said("import", "foreign_app:plain", "--strict")
    assert 0 == plain.exit_code, plain.output
    assert "FSM618" in plain.output
    assert 1 == said("import", "foreign_app:wide", "--strict").exit_code


def test_what_was_not_seen_is_an_assumption(said: Said) -> None:
    """Nodes without a request that was seen, and targets that are written nowhere, stand beside the numbers."""
    result = said("import", "foreign_app:cycle")
    found = json.loads(said("import", "foreign_app:cycle", "--json").stdout)

    assert any(clause.startswith("no request to a model in look") for clause in found["assuming"])
    assert "assuming        no request to a model in look" in result.output
    assert "every node is possible where a way declares no targets" in result.output


def test_an_end_is_added_by_name(said: Said) -> None:
    """--end lets runs end at a node; one that is not there is refused with the names of all."""
    found = json.loads(said("import", "foreign_app:cycle", "--end", "look", "--json").stdout)
    refused = said("import", "foreign_app:cycle", "--end", "lok")

    ends = {edge["source"] for edge in found["graph"]["edges"] if edge["target"] == "__end__"}
    assert "look" in ends
    assert 2 == refused.exit_code
    assert "--end 'lok' is no node" in refused.output


def test_caps_are_what_was_asked(said: Said) -> None:
    """Visits, calls, tokens and the model of the command are those of the machine."""
    options = [
        "--max-visits",
        "1",
        "--input-tokens",
        "1000",
        "--output-tokens",
        "100",
        "--model",
        "openai:gpt-4.1-mini",
    ]
    less = json.loads(said("import", "foreign_app:swarm", "--json", *options).stdout)["as_a_machine"]
    more = json.loads(said("import", "foreign_app:swarm", "--json").stdout)["as_a_machine"]
    often = json.loads(said("import", "foreign_app:swarm", "--json", "--calls", "9").stdout)["as_a_machine"]

    assert more["calls"] < often["calls"]
    assert less["tokens"] < more["tokens"]
    assert 0 < less["cost_usd"] < more["cost_usd"]


@pytest.mark.slow
def test_other_commands_do_not_load_what_reads_other_frameworks() -> None:
    """Every command starts by loading all of them, so what one alone needs waits until it is called."""
    code = "import sys, fsm_orch.cli; print([name for name in sys.modules if name.startswith('fsm_orch.adopt')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "[]" == loaded.strip()
