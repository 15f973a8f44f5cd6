"""`fsm-orch runs replay` and `diff`, and `resume --effects`."""

from __future__ import annotations

import json

import pytest
from cli.conftest import STORE, assert_refused, scripted

from fsm_orch.cli import app

SORTS = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        kind: str | None = None
        answer: str | None = None

    def answer(visit: Visit[Ticket]):
        print("ANSWERED", visit.context.kind)
        return {Ticket.answer: f"It is {visit.context.kind}"}

    class Sorts(Machine[Ticket]):
        '''Sort with a model, and answer by code.'''

        sort = State(LLMAgent("Sort.", reads=Ticket.query, writes=Ticket.kind), initial=True)
        reply = State(answer, reads=Ticket.kind, writes=Ticket.answer)
        done, human = Final(), Final(fallback=True)
        on, off = sort.to(reply, "it is known"), sort.to(human, "it is not")
        end = reply.to(done)
"""
OLDER = SORTS.replace('"Sort."', '"Sort it."')


@pytest.fixture
def module(cli, write, monkeypatch) -> str:
    """A machine with one run, `p`, that sorted a bill; gives its module."""
    module = write(SORTS)
    sorts(monkeypatch, "bill")
    result = cli.invoke(app, ["run", module, "a cup", *STORE, "--json"])
    assert result.exit_code == 0, result.output
    return module


def sorts(monkeypatch, kind: str) -> None:
    scripted(monkeypatch, {"handoff": "on", "kind": kind})


def run_id(cli) -> str:
    rows = json.loads(cli.invoke(app, ["runs", "list", *STORE, "--json"]).stdout)
    return rows[-1]["run_id"]


def test_a_replay_with_the_same_answer_begins_nothing(cli, module, monkeypatch):
    """Its hops are those of the run, each once, with nothing marked; the sentence says so."""
    sorts(monkeypatch, "bill")
    result = cli.invoke(app, ["runs", "replay", run_id(cli), module, *STORE, "--id", "f"])

    assert result.exit_code == 0, result.output
    assert "Same end: done, same fields; as many tokens." in result.stdout
    assert "▶" not in result.stdout
    assert "- run " in result.stdout
    assert "+ run f" in result.stdout
    assert "ANSWERED" not in result.output


def test_a_replay_that_differs_stops_and_goes_on_with_effects(cli, module, monkeypatch):
    """The first hop that differs is marked, with both values; what must not begin is named, and how it may."""
    sorts(monkeypatch, "order")
    parent = run_id(cli)
    stopped = cli.invoke(app, ["runs", "replay", parent, module, *STORE, "--id", "f"])
    again = cli.invoke(app, ["runs", "resume", "f", module, *STORE])
    gone_on = cli.invoke(app, ["runs", "resume", "f", module, *STORE, "--effects", "--json"])
    diff = cli.invoke(app, ["runs", "diff", parent, "f", module, *STORE])

    assert (stopped.exit_code, again.exit_code, gone_on.exit_code, diff.exit_code) == (4, 4, 0, 0)
    marked = next(line for line in stopped.stdout.splitlines() if line.startswith("▶"))
    assert "sort" in marked
    assert "- kind: bill" in marked
    assert "+ kind: order" in stopped.stdout
    assert "Another end: still in reply instead of done" in stopped.stdout
    for told in (stopped.stderr, again.stderr):
        assert "has not begun the code of 'reply'" in told
        assert "(kind)" in told
        assert "--effects" in told
        assert "order" not in told
    assert json.loads(gone_on.stdout)["context"]["answer"] == "It is order"
    assert gone_on.stderr.count("ANSWERED order") == 1
    assert "Same end: done, other kind, answer" in diff.stdout


def test_a_replay_that_waits_for_a_human_says_how_to_answer(cli, write):
    """The human of the run has answered it, and is asked again here."""
    module = write("""
        from fsm_orch import *

        class Ticket(Context):
            query: str

        class Asks(Machine[Ticket]):
            ask = State(HumanAgent("Pay?", reads=Ticket.query), initial=True)
            paid, human = Final(), Final(fallback=True)
            yes, no = ask.to(paid, "pay"), ask.to(human, "do not")
    """)
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    result = cli.invoke(app, ["runs", "replay", run_id(cli), module, *STORE, "--id", "f"])

    assert result.exit_code == 3
    assert (
        f"fsm-orch runs answer f {module} ANSWER --store sqlite:///runs.db (ANSWER: the value of handoff ("
        in result.stderr
    )


def test_a_replay_as_json_has_result_difference_and_what_was_withheld(cli, module, monkeypatch):
    """One object, and nothing beside it on stdout."""
    sorts(monkeypatch, "order")
    result = cli.invoke(app, ["runs", "replay", run_id(cli), module, *STORE, "--json"])
    told = json.loads(result.stdout)

    assert result.exit_code == 4
    assert told["withheld"] == {"state": "reply", "tool": None, "fields": ["kind"]}
    assert (told["difference"]["first"], told["difference"]["is_same_end"]) == (0, False)
    assert told["result"]["state"] == "reply"
    assert [hop["is_same"] for hop in told["difference"]["hops"]] == [False, False]


def test_another_version_is_named_beside_the_one_of_the_run(cli, module, write, monkeypatch):
    """Without the one of the run it is refused."""
    sorts(monkeypatch, "bill")
    newer, parent = write(OLDER), run_id(cli)
    result = cli.invoke(app, ["runs", "replay", parent, module, "--machine", newer, *STORE, "--id", "f"])
    refused = cli.invoke(app, ["runs", "replay", parent, newer, *STORE])
    diff = cli.invoke(app, ["runs", "diff", parent, "f", module, "--machine", newer, *STORE, "--json"])

    assert result.exit_code == 0, result.output
    assert "Same end: done, same fields" in result.stdout
    assert_refused(refused, "was run on digest", "--machine")
    assert json.loads(diff.stdout)["first"] is None


def test_what_cannot_be_replayed_is_refused(cli, module):
    """A run that is not known, a place where it cannot be cut, and a diff of a run that is not known."""
    assert_refused(cli.invoke(app, ["runs", "replay", "x", module, *STORE]), "knows of no run 'x'")
    assert_refused(cli.invoke(app, ["runs", "replay", run_id(cli), module, "--at", "99", *STORE]), "input 99")
    assert_refused(cli.invoke(app, ["runs", "diff", run_id(cli), "x", module, *STORE]), "knows of no run 'x'")
