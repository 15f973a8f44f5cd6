"""`fsm-orch eval`."""

import signal
import sys
from pathlib import Path

import pytest
from support.interrupted import begun
from support.measured import SPECIALISTS, figures, words

from fsm_orch import ScriptedModel
from fsm_orch.cli import app
from fsm_orch.models import registry

SCRIPT = Path(sys.executable).with_name("fsm-orch")

FRONT = (
    SPECIALISTS
    + """
    class Front(Machine[Ticket]):
        '''Two specialists behind a triage by words.'''

        billing, search = specialist("bills"), specialist("products")
        answered, human = Final(), Final(fallback=True)
        words = {billing: ("bill", "pay"), search: ("find", "buy")}
        triage = State(KeywordAgent(Ticket.query, words, otherwise=human), initial=True)
        to_billing = triage.to(billing)
        to_search = triage.to(search)
        to_human = triage.to(human)
        done = (billing | search).to(answered, "it is answered")
        not_mine = (billing | search).to(human, "not mine")
"""
)
"""Only its specialists are models."""

QUERIES = """\
split,specialist,text
test,billing,my bill
test,billing,my money
test,billing,buy a bill
test,billing,find my invoice
test,search,find a dress
test,search,buy a dress
test,out_of_scope,hello
test,out_of_scope,bill gates
train,search,pay for a dress
"""
"""In order: right, no word, two words, misrouted, right, right, right, leaked; and one of another split."""

DONE = {"handoff": "done", "answer": ""}
NOT_MINE = {"handoff": "not_mine", "answer": ""}


@pytest.fixture
def front(write) -> str:
    return write(FRONT)


@pytest.fixture
def data(tmp_path) -> str:
    path = tmp_path / "queries.csv"
    path.write_text(QUERIES, encoding="utf-8")
    return str(path)


@pytest.fixture
def script(monkeypatch):
    """Let every name of a model mean one model that says the same to everything; gives it."""

    def say(*lines, **options):
        model = ScriptedModel((line for _ in range(1_000) for line in lines), **options)
        monkeypatch.setattr(registry, "resolve", lambda name: model)
        return model

    say()
    return say


def test_shows_where_queries_went(cli, front, data, script):
    """A page has the matrix, and the rates together, since each can be bought with the others."""
    result = cli.invoke(app, ["eval", front, "--data", data, "--split", "test"])

    said = words(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Front 8 queries of queries.csv (test), no model was asked" in said
    assert "expected \\ reached billing search human right" in said
    assert "billing 1 1 2 25.0 %" in said
    assert "search - 2 - 100.0 %" in said
    assert "out_of_scope 1 - 1 50.0 %" in said
    assert "accuracy 50.0 % 4 of 8 queries" in said
    assert "misroute 16.7 % 1 of 6 in scope" in said
    assert "false fallback 33.3 % 2 of 6 in scope" in said
    assert "leak 50.0 % 1 of 2 out of scope (out_of_scope)" in said
    assert "landings none refusals none failures none tokens 0 used of 0 reserved in 0 calls cost $0" in said
    assert "\x1b" not in result.stdout


def test_runs_are_left_before_a_specialist_acts(cli, front, data, script):
    """To measure the routing alone, no specialist is asked, and that a run was left is no landing."""
    model = script(DONE)
    shown = figures(cli, front, "--data", data)

    assert model.requests == []
    assert (shown["queries"], shown["tokens"], shown["landings"], shown["ended"]) == (
        9,
        {"calls": 0, "reserved": 0, "used": 0},
        {},
        None,
    )


def test_full_lets_runs_end(cli, front, data, script):
    """With --full the specialists answer too, and what they use, refuse and end in is counted."""
    model = script("no JSON", NOT_MINE)
    shown = figures(cli, front, "--data", data, "--split", "test", "--full")

    assert shown["ended"] == {"human": 8}
    assert shown["refusals"] == {"not_json": 5}
    assert shown["tokens"]["calls"] == len(model.requests) == 10
    assert 0 < shown["tokens"]["used"] < shown["tokens"]["reserved"]
    assert shown["matrix"]["billing"] == {"billing": 1, "search": 1, "human": 2}


def test_a_landing_and_a_failure_have_their_reasons(cli, front, data, script):
    """A model that cannot be reached ends every run safely, which is not hidden among the fallbacks."""
    shown = figures(cli, front, "--data", data, "--split", "test", "--full", "--model", "any:model")
    said = words(cli.invoke(app, ["eval", front, "--data", data, "--split", "test", "--full"]).stdout)

    assert (shown["landings"], shown["failures"], shown["model"]) == ({"failure": 5}, {"error": 5}, "any:model")
    assert "landings failure 5 refusals none failures error 5 ended human 8" in said


def test_a_cost_is_shown_only_if_it_is_known(cli, front, data, script):
    """Without a price the cost is unknown, not nothing."""
    script(DONE, price=None)

    assert figures(cli, front, "--data", data)["cost_usd"] is None
    assert "cost unknown" in words(cli.invoke(app, ["eval", front, "--data", data]).stdout)


def test_probes_hand_specialists_the_questions_of_others(cli, front, data, script):
    """Who says so of everything, or of nothing, is seen as such: its own questions are handed to it too."""
    script(NOT_MINE)
    always = figures(cli, front, "--data", data, "--probe", "3")["probes"]
    script(DONE)
    never = cli.invoke(app, ["eval", front, "--data", data, "--probe", "3"])

    assert [probe["label"] for probe in always] == ["billing", "search"]
    assert all(probe[kind] == {"count": 3, "of": 3, "rate": 1.0} for probe in always for kind in ("foreign", "own"))
    assert "said 'not mine' of others' questions of its own billing 0 of 3 0 of 3" in words(never.stdout)


def test_a_specialist_that_fails_does_not_say_so(cli, front, data, script):
    """A probe that lands in the fallback was not handed on."""
    probes = figures(cli, front, "--data", data, "--probe", "1")["probes"]

    assert [probe["foreign"]["count"] for probe in probes] == [0, 0]


def test_a_sample_is_the_same_every_time(cli, front, data, script):
    """A limit chooses rows at random by a seed; labels are those of all rows."""
    one, again, other = (
        figures(cli, front, "--data", data, "--limit", "3", "--seed", seed)["matrix"] for seed in ("1", "1", "2")
    )

    assert one == again != other
    assert figures(cli, front, "--data", data, "--limit", "1")["labels"] == ["billing", "search"]
    assert figures(cli, front, "--data", data, "--limit", "99")["queries"] == 9


def test_concurrent_runs_count_the_same(cli, front, data, script):
    """How many runs there are at a time changes nothing but the time."""
    script(DONE, delay_s=0.001)
    one, eight = (figures(cli, front, "--data", data, "--full", "--concurrency", count) for count in ("1", "8"))

    assert {**one, "seconds": None} == {**eight, "seconds": None}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--expect", "intent"], "has no column 'intent'. Columns: split, specialist, text"),
        (["--expect", "text"], "Nothing that is expected is a state of Front: bill gates, buy a bill, buy a dress, "),
        (["--text", "words"], "has no column 'words'"),
        (["--split", "tset"], "has no query of 'tset'. Splits: test, train"),
        (["--context", "[]"], "--context is a list"),
        (["--data", "nowhere.csv"], "nowhere.csv cannot be read: "),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(cli, front, data, script, arguments, said):
    """Columns, splits and files that are not there exit with 2 and what there is instead."""
    result = cli.invoke(app, ["eval", front, "--data", data, *arguments])

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_short_row_is_named(cli, front, tmp_path, script):
    """A row with a cell too few is a mistake in the file, not a query of nothing."""
    (tmp_path / "short.csv").write_text("specialist,text\nbilling,my bill\nbilling\n", encoding="utf-8")
    result = cli.invoke(app, ["eval", front, "--data", "short.csv"])

    assert result.exit_code == 2
    assert "Row 2 of short.csv has fewer cells than the header" in result.stderr


def test_only_models_are_probed(cli, desk, tmp_path):
    """A function has no scope to leave."""
    (tmp_path / "desk.csv").write_text("specialist,text\nlook,hello\n", encoding="utf-8")
    result = cli.invoke(app, ["eval", desk, "--data", "desk.csv", "--probe", "1"])

    assert result.exit_code == 2
    assert "--probe asks models, and none works in look" in result.stderr


def test_an_interrupt_is_one_line(write, tmp_path):
    """Ctrl-C ends it with 130; an incomplete measurement is not shown."""
    module = write(
        """
    import asyncio, sys
    from fsm_orch import *

    class Ticket(Context):
        query: str

    async def wait(visit: Visit[Ticket]):
        print("waiting", file=sys.stderr, flush=True)
        await asyncio.sleep(60)

    class Slow(Machine[Ticket]):
        wait = State(wait, initial=True)
        done, human = Final(), Final(fallback=True)
        end = wait.to(done)
"""
    )
    (tmp_path / "slow.csv").write_text("specialist,text\nwait,hello\nwait,hello\n", encoding="utf-8")
    running = begun(SCRIPT, "eval", module, "--data", "slow.csv", "--full", cwd=tmp_path)
    with running:
        assert running.stderr is not None
        assert running.stderr.readline() == "waiting\n"
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)

    assert (running.returncode, stdout) == (130, "")
    assert stderr == "fsm-orch: Interrupted: an incomplete measurement is not shown\n"
