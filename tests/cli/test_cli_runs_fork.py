"""`fsm-orch runs fork`: another run of the beginning of a stored one."""

import json

import pytest
from cli.conftest import HUMAN, STORE, assert_refused, scripted

from fsm_orch.cli import app

DECIDES = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        cents: int = 0
        answer: str | None = None

    class Desk(Machine[Ticket]):
        '''Count, and answer.'''

        count = State(LLMAgent("Count.", reads=Ticket.query, writes=Ticket.cents), initial=True)
        tell = State(LLMAgent("Tell.", reads=(Ticket.query, Ticket.cents), writes=Ticket.answer))
        answered, human = Final(), Final(fallback=True)
        on, none = count.to(tell, "there is money"), count.to(human, "there is none")
        done = tell.to(answered)
"""
COUNTED, TOLD = {"handoff": "on", "cents": 7}, {"answer": "7 cents"}


def listed(cli, *options: str) -> list[dict]:
    """Give the runs of the store."""
    return json.loads(cli.invoke(app, ["runs", "list", *STORE, "--json", *options]).stdout)


@pytest.fixture
def desk(cli, write, monkeypatch) -> tuple[str, str]:
    """A machine of two models with one run that has ended; gives the run and its module."""
    module = write(DECIDES)
    scripted(monkeypatch, COUNTED, TOLD)
    result = cli.invoke(app, ["run", module, "money", *STORE, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["run_id"], module


def test_a_fork_is_made_and_resumed(cli, desk, monkeypatch):
    """It says what it was made of, where it stands and how to go on, in the list and in what is shown of it too."""
    run, module = desk
    made = cli.invoke(app, ["runs", "fork", run, module, *STORE, "--at", "4", "--set", "cents=9", "--id", "f"])
    shown = cli.invoke(app, ["runs", "show", "f", module, *STORE]).stdout
    narrow = cli.invoke(app, ["runs", "list", *STORE]).stdout
    fork, _ = listed(cli)
    scripted(monkeypatch, {"answer": "9 cents"})
    result = cli.invoke(app, ["runs", "resume", "f", module, *STORE, "--json"])

    assert made.exit_code == 0, made.output
    assert made.stdout.splitlines() == [
        "forked f",
        f"  fork of {run}, cut after input 4; it stands in tell, running",
        f"Nobody drives it. To go on: fsm-orch runs resume f {module} --store sqlite:///runs.db",
    ]
    assert f"  fork      of {run}, cut after input 4\n  edits     set.cents\n" in shown
    assert "  effects   only what has a recorded reply, or resume --effects begins\n" in shown
    assert "  context   query: money\n            cents: 9\n" in shown
    assert "  cuts      1 (count), 4 (tell)\n" in shown
    assert f"nobody drives it; fork of {run}, cut after input 4" in narrow
    assert {"parent": run, "at": 4, "edits": ["set.cents"]} == fork["origin"]
    assert ("answered", "9 cents") == (
        json.loads(result.stdout)["state"],
        json.loads(result.stdout)["context"]["answer"],
    )
    assert f"fork of {run}" in cli.invoke(app, ["runs", "list", *STORE, "--status", "finished"]).stdout


def test_nobody_is_told_to_go_on_with_a_fork_that_its_edits_have_ended(cli, desk):
    """It has come to its end already."""
    run, module = desk
    made = cli.invoke(app, ["runs", "fork", run, module, *STORE, "--at", "4", "--handoff", "none", "--id", "f"])

    assert made.stdout.splitlines() == [
        "forked f",
        f"  fork of {run}, cut after input 4; it stands in human, finished",
    ]


def test_a_fork_takes_another_handoff(cli, desk):
    """With --json the row of the store alone is printed; a list names its machine beside it."""
    run, module = desk
    made = cli.invoke(
        app, ["runs", "fork", run, module, *STORE, "--at", "4", "--handoff", "none", "--effects", "--json"]
    )
    row = json.loads(made.stdout)

    assert made.exit_code == 0, made.output
    assert ("human", "finished", 4) == (row["state"], row["status"], row["inputs"])
    assert {"parent": run, "at": 4, "edits": ["handoff=none"], "effects": True} == row["origin"]
    assert row == listed(cli, "--machine", module)[0]
    assert "Desk" == row["machine"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--at", "3"], "cannot be cut after input 3: 'count' has paid for a call, and its reply comes later"),
        (["--at", "9"], "has 7 inputs, so there is no place after input 9"),
        (
            ["--at", "4", "--handoff", "nowhere"],
            "'nowhere' does not leave 'count', where 'count' may take 'on', 'none'",
        ),
        (["--at", "4", "--set", "cents=many"], "wrong_type, cents: Input should be a valid integer"),
        (["--at", "4", "--set", "nothing=1"], "undeclared_write, nothing: not declared by this agent"),
        (["--at", "4", "--set", "cents"], "--set takes FIELD=VALUE, such as answer=Later, not 'cents'"),
        (["--at", "4", "--set", "cents=9", "--set", "cents=8"], "--set gives 'cents' two values: say it once"),
        (["--at", "1", "--set", "cents=9"], "has no reply at input 1, but 'started'"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_line(cli, desk, options, said):
    """With what is legal, or where it can be cut; nothing is stored."""
    run, module = desk
    result = cli.invoke(app, ["runs", "fork", run, module, *STORE, *options])

    assert_refused(result, said)
    assert [run] == [row["run_id"] for row in listed(cli)]


def test_a_waiting_run_is_forked_by_hand(cli, write):
    """The fork waits for an answer of its own, and its parent for its own too."""
    module = write(HUMAN)
    run = json.loads(cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).stdout)["run_id"]
    assert cli.invoke(app, ["runs", "fork", run, module, *STORE, "--at", "2", "--id", "f"]).exit_code == 0
    waits = cli.invoke(app, ["runs", "resume", "f", module, *STORE])

    assert waits.exit_code == 3, waits.output
    assert "f:0:1" in waits.output
    assert ["waiting", "waiting"] == [row["status"] for row in listed(cli)]
