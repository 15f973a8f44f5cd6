"""`fsm-orch run`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from cli.conftest import DESK, assert_refused, scripted

from fsm_orch import ModelUnavailable
from fsm_orch.cli import app
from fsm_orch.models import registry

SCRIPT = Path(sys.executable).with_name("fsm-orch")

DEPS = """
    from collections.abc import Iterator
    from contextlib import contextmanager
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    class Shop:
        is_open = True

    def look(visit: Visit[Ticket, Shop]):
        return {Ticket.answer: f"open: {visit.deps.is_open}"}

    class Desk(Machine[Ticket, Shop]):
        look = State(look, reads=(Ticket.query,), writes=(Ticket.answer,), initial=True)
        answered, human = Final(), Final(fallback=True)
        done = look.to(answered)
"""


def test_shows_the_path_the_answer_and_the_usage(cli, desk):
    """A run into a pipe is plain text: a line per hop, the fields, what it used."""
    result = cli.invoke(app, ["run", desk, "hello"])

    assert result.exit_code == 0
    assert "look      done    → answered   10,000 tokens left" in result.stdout
    assert "Ended in answered" in result.stdout
    assert "  answer  You asked: hello\n" in result.stdout
    assert "0 of 10,000 tokens (0 in, 0 out), 0 calls, $0" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_landed_run_is_a_result_with_its_reason(cli, desk):
    """A landing is shown with its reason, and exits with 0 like every end."""
    result = cli.invoke(app, ["run", desk, "hello", "--context", '{"amount": 100}'])

    assert result.exit_code == 0
    assert "look      landing → human" in result.stdout
    assert "Landed in human (no_handoff): nothing is legal in 'look'" in result.stdout
    assert "  answer  Later.\n" in result.stdout


def test_json_prints_one_object_and_nothing_else(cli, write):
    """With --json stdout is one object, even if the user's code prints."""
    module = write(
        DEPS
        + """
    print("imported")
    @contextmanager
    def deps() -> Iterator[Shop]:
        print("opened")
        yield Shop()
        print("closed")
"""
    )
    result = cli.invoke(app, ["run", module, "hello", "--json"])

    shown = json.loads(result.stdout)
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert {key: shown[key] for key in ("state", "landing", "context", "path", "charged_tokens", "cost_usd")} == {
        "state": "answered",
        "landing": None,
        "context": {"query": "hello", "answer": "open: True"},
        "path": [{"source": "look", "handoff": "done", "target": "answered"}],
        "charged_tokens": 0,
        "cost_usd": 0.0,
    }
    assert shown["usage"] == {"requests": 0, "input_tokens": 0, "output_tokens": 0}
    assert len(shown["run_id"]) == 32
    assert shown["seconds"] >= 0
    assert result.stderr.splitlines() == ["imported", "opened", "closed"]


def test_json_tells_why_a_run_landed(cli, desk):
    """A landing is in the object, with its edge in the path."""
    result = cli.invoke(app, ["run", desk, "hello", "--context", '{"amount": 100}', "--json"])

    shown = json.loads(result.stdout)
    assert shown["landing"] == {"reason": "no_handoff", "detail": "nothing is legal in 'look'"}
    assert shown["path"] == [{"source": "look", "handoff": None, "target": "human"}]


def test_events_are_lines_of_json_on_stderr(cli, desk):
    """With --events every record is a line of JSON, and structlog's own configuration is left alone."""
    before = structlog.get_config()
    result = cli.invoke(app, ["run", desk, "hello", "--events"])

    kinds = [json.loads(line)["event"] for line in result.stderr.splitlines()]
    assert kinds == ["run_started", "visit_started", "handed_off", "run_finished"]
    assert "Ended in answered" in result.stdout
    assert structlog.get_config() == before


def test_prompts_are_shown_if_asked_for(cli, ask, monkeypatch):
    """With --show-prompts stderr says what each model was asked and answered, repairs and failures too; never else."""
    scripted(monkeypatch, {"handoff": "nowhere"}, {"handoff": "done", "answer": "a kangaroo"})
    shown = cli.invoke(app, ["run", ask, "hello", "--show-prompts", "--json"])
    scripted(monkeypatch, {"handoff": "done", "answer": "a kangaroo"})
    silent = cli.invoke(app, ["run", ask, "hello", "--events"])

    assert json.loads(shown.stdout)["context"]["answer"] == "a kangaroo"
    assert shown.stderr.count(" asked its model\n") == 2
    assert '  user       {"query":"hello"}\n  reply      {"handoff": "nowhere"}\n' in shown.stderr
    assert '  assistant  {"handoff": "nowhere"}\n  user       Your last reply was refused: ' in shown.stderr
    assert "hello" not in silent.stderr
    assert "a kangaroo" not in silent.stderr


def test_a_local_model_is_the_default(cli, ask, monkeypatch):
    """Agents that name no model get the local one, unless --model names another."""
    named = scripted(monkeypatch, {"handoff": "done", "answer": "42"})

    assert cli.invoke(app, ["run", ask, "hello"]).exit_code == 0
    assert cli.invoke(app, ["run", ask, "hello", "--model", "scripted:other"]).exit_code == 0
    assert named == ["local:smollm2", "scripted:other"]


def test_the_machines_model_comes_before_the_default(cli, write, ask_source, monkeypatch):
    """A machine's own model is taken where --model names none."""
    module = write(ask_source + "        model = 'scripted:own'\n")
    named = scripted(monkeypatch, {"handoff": "done", "answer": "42"})

    assert cli.invoke(app, ["run", module, "hello"]).exit_code == 0
    assert named == ["scripted:own"]


def test_a_refusal_is_shown_between_the_hops(cli, ask, monkeypatch):
    """What a model proposed in vain is seen, and that it was asked again."""
    scripted(monkeypatch, {"handoff": "fly", "answer": "x"}, {"handoff": "done", "answer": "42"})
    result = cli.invoke(app, ["run", ask, "hello"])

    assert "refused, asked again: 'fly' does not exist. Choose one of: done, give_up." in result.stdout
    assert "2 calls" in result.stdout


def test_text_of_a_model_cannot_steer_the_terminal(cli, ask, monkeypatch):
    """Control characters are written out, and markup is text."""
    scripted(monkeypatch, {"handoff": "done", "answer": "[red]a[/red]\x1b[2J\x07\u202eb\nc"})
    result = cli.invoke(app, ["run", ask, "hello"])

    assert "  answer  [red]a[/red]\\x1b[2J\\x07\\u202eb\n          c\n" in result.stdout


def test_missing_weights_are_one_line(cli, ask, monkeypatch):
    """A model that cannot be had is said in a line, before anything runs."""

    def missing(name):
        raise ModelUnavailable(f"No weights of {name}:\nfetch them")

    monkeypatch.setattr(registry, "resolve", missing)
    assert_refused(cli.invoke(app, ["run", ask, "hello"]), "No weights of local:smollm2: fetch them")


def test_an_unknown_model_is_one_line(cli, ask):
    """A name without a provider is refused with the providers there are."""
    assert_refused(cli.invoke(app, ["run", ask, "hello", "--model", "gpt"]), "'gpt'", "provider:model")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--context", "{"], "--context is not JSON"),
        (["--context", "[]"], "--context is a list"),
        (["--context", '{"amount": NaN}'], "--context is not JSON"),
        (["--context", '{"amuont": 1}'], "amuont: Extra inputs are not permitted"),
        (["--context", '{"amount": "many"}'], "amount: Input should be a valid integer"),
        (["--context", '{"query": "again"}'], "Ticket has no such field"),
    ],
)
def test_a_context_that_does_not_fit_is_one_line(cli, desk, options, said):
    """Whatever is wrong with the first context is said with the fields there are."""
    assert_refused(cli.invoke(app, ["run", desk, "hello", *options]), said)


def test_without_a_text_its_field_is_missing(cli, desk):
    """The text may be left out, if --context gives its field."""
    assert_refused(
        cli.invoke(app, ["run", desk]), "query: Field required", "fields: query, amount (answer: only agents write it)"
    )
    assert cli.invoke(app, ["run", desk, "--context", '{"query": "hello"}']).exit_code == 0


def test_a_text_with_several_places_names_them(cli, write, desk_source):
    """Two required str fields leave it open which the text fills, until --context gives one."""
    module = write(desk_source.replace("query: str", "query: str\n        title: str"))

    assert_refused(cli.invoke(app, ["run", module, "hello"]), "Ticket has 2 such fields: query, title")
    assert cli.invoke(app, ["run", module, "hello", "--context", '{"title": "x"}']).exit_code == 0


@pytest.mark.parametrize(
    "source",
    [
        "def deps():\n    return Shop()",
        "@contextmanager\ndef deps():\n    yield Shop()",
    ],
)
def test_dependencies_come_from_the_module(cli, write, source):
    """`deps()` returns the dependencies, or a context manager of them."""
    module = write(DEPS + "\n".join(f"    {line}" for line in source.splitlines()))

    assert "open: True" in cli.invoke(app, ["run", module, "hello"]).stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "no function deps()"),
        ("def deps():\n    raise OSError('disk')", "raised OSError: disk"),
        ("def deps():\n    yield Shop()", "async or a bare generator"),
        ("def deps():\n    return __import__('contextlib').asynccontextmanager(Shop)()", "async or a bare generator"),
    ],
)
def test_dependencies_that_cannot_be_had_are_one_line(cli, write, source, said):
    """A machine with dependencies needs a `deps` that gives them."""
    module = write(DEPS + "\n".join(f"    {line}" for line in source.splitlines()))

    assert_refused(cli.invoke(app, ["run", module, "hello"]), said)


def test_a_machine_that_does_not_build_shows_its_findings(cli, write):
    """A bad machine is said on stderr with all its findings, and exits with 2."""
    result = cli.invoke(app, ["run", write("from fsm_orch import *\nclass Bad(Machine[Context]): x = Final()"), "x"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Bad does not build: 2 findings" in result.stderr
    assert "FSM101" in result.stderr


def test_a_terminal_shows_colour_and_wraps(cli, desk, monkeypatch):
    """On a terminal lines are styled, and long answers wrap under their own beginning."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    result = cli.invoke(app, ["run", desk, "word " * 20])

    assert "\x1b[" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines() if "word" in line) < 100


def test_the_installed_command_finds_modules_here(desk, tmp_path):
    """The console script imports from the current directory, and writes plain text into a pipe."""
    ran = subprocess.run([SCRIPT, "run", desk, "hällo"], cwd=tmp_path, capture_output=True, timeout=60, check=False)

    assert (ran.returncode, ran.stderr) == (0, b"")
    assert "answer  You asked: hällo" in ran.stdout.decode()


def test_a_narrow_encoding_does_not_end_a_run(desk, tmp_path):
    """Characters that stdout cannot write are written out."""
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        [SCRIPT, "run", desk, "hällo"], cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False
    )

    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"You asked: h\\xe4llo" in ran.stdout


def test_what_runs_inside_is_shown_below_its_level(cli, write):
    """A hop of a machine inside stands before the one of the machine around it, marked by its depth."""
    nested = """
    class Inner(Machine[Ticket]):
        look = State(answer, reads=Ticket.query, writes=Ticket.answer, initial=True)
        found, lost = Final(), Final(fallback=True)
        flow = look >> found

    class Outer(Machine[Ticket]):
        work = State(Nested(Inner, writes=Ticket.answer), initial=True)
        done, human = Final(), Final(fallback=True)
        end = work >> done
"""
    result = cli.invoke(app, ["run", write(DESK + nested) + ":Outer", "hello"])

    assert result.exit_code == 0
    lines = [line.split()[:6] for line in result.stdout.splitlines() if "→" in line]
    assert lines == [["1", "·", "look", "flow", "→", "found"], ["1", "work", "end", "→", "done", "10,000"]]
