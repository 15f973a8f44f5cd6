"""`fsm-orch runs show`: a stored run, its journal, and what its machine makes of it."""

import asyncio
import inspect
import json
import re
from typing import get_args

import pytest
from cli.conftest import HUMAN, STORE, URL, asked
from msgspec.structs import replace

from fsm_orch import Message
from fsm_orch.cli import app
from fsm_orch.cli.runs import said as runs_said
from fsm_orch.cli.runs.said import said
from fsm_orch.cli.stored import found, journal_of, opened
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.messages import ToolCall
from fsm_orch.store import KeptPrompt
from fsm_orch.store.sql import SqlStore


def test_without_its_machine_a_run_is_shown_as_it_is_stored(cli, tool):
    """Its inputs are lines that a person reads, and what stands above them is of the store."""
    run_id, _ = asked(URL)
    lines = cli.invoke(app, ["runs", "show", run_id, *STORE]).stdout.splitlines()

    assert lines[0] == f"run {run_id}"
    assert lines[1].startswith("  stands    in help, waiting: a human answers")
    kinds = [line.split()[2:] for line in lines[7:]]
    assert [kind[0] for kind in kinds] == ["started", "call_reserved", "call_settled", "asked"]
    assert kinds[0][1:] == ['{"query":"a', 'cup"}']
    assert kinds[3][1:] == ["use", "pay(cents=5)"]
    assert not any("menu" in line for line in lines)


def test_with_its_machine_a_run_is_folded(cli, tool):
    """Context, menu, ledger and what it waits for are shown; `--at` shows them after some inputs."""
    run_id, _ = asked(URL)
    now = cli.invoke(app, ["runs", "show", run_id, tool, *STORE]).stdout
    before = cli.invoke(app, ["runs", "show", run_id, tool, *STORE, "--at", "2"]).stdout

    assert "Desk after 4 inputs" in now
    assert "  context   query: a cup\n            note: None\n" in now
    assert " ".join(now.partition("  menu")[2].split()[4:7]) == "done paid yes"
    assert f"  waits for Use pay(cents=5)?  ({run_id}:0:1)" in now
    assert " settled, 0 reserved, " in now
    assert "Desk after 2 inputs" in before
    assert "  tokens    0 settled, " in before
    assert "waits for" not in before
    assert "  due       help: its agent acts" in before


def test_a_menu_says_why_a_handoff_is_not_legal(cli, write):
    """What is against it stands beside it."""
    guard = """
    @guard
    def is_short(claim: Claim) -> bool:
        return len(claim.query) < 3

    class Desk("""
    source = HUMAN.replace("\n    class Desk(", guard).replace('"pay it")', '"pay it", guard=is_short)')
    module = write(source)
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    lines = cli.invoke(app, ["runs", "show", asked(URL)[0], module, *STORE]).stdout.splitlines()

    assert ["yes paid no: the guard of 'yes' does not hold", "no declined yes"] == [
        " ".join(line.split()) for line in lines[lines.index(next(line for line in lines if "menu" in line)) + 1 :][:2]
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (inputs.GatesSeen(shut=("pay", "fly.fares.find"), at=1.0), "shut: pay, fly.fares.find"),
        (inputs.GatesSeen(at=1.0), "shut: nothing"),
        (inputs.Started(run_id="r", context={"a": 1}, shut=("pay",)), '{"a":1}; shut: pay'),
        (inputs.Cancelled(detail="by hand", at=1.0), "by hand"),
    ],
)
def test_each_input_says_what_it_brought(event, line):
    """Gates that were seen are told, those at the start too; so is why somebody cancelled."""
    assert line == said(event)


def test_every_kind_of_input_says_something():
    """None is left out when the kernel learns a new one."""
    told = set(re.findall(r"case inputs\.(\w+)", inspect.getsource(runs_said)))

    assert {kind.__name__ for kind in get_args(Input)} == told


def test_a_landing_is_shown_with_its_reason(cli, desk):
    """It stands in the path."""
    assert cli.invoke(app, ["run", desk, "x", "--context", '{"amount": 100}', *STORE]).exit_code == 0
    result = cli.invoke(app, ["runs", "show", asked(URL)[0], desk, *STORE])

    assert "  path      look -landing-> human  (no_handoff: nothing is legal in 'look')" in result.stdout
    assert re.search(r"^ +closed: '\w+' since its guard does not hold", result.stdout, re.MULTILINE)


def test_as_json_a_run_is_shown_with_its_journal(cli, tool):
    """The object holds what the store knows, each input as it is stored, and what the machine makes of them."""
    run_id, _ = asked(URL)
    bare = json.loads(cli.invoke(app, ["runs", "show", run_id, *STORE, "--json"]).stdout)
    told = json.loads(cli.invoke(app, ["runs", "show", run_id, tool, *STORE, "--json"]).stdout)

    assert (bare["run_id"], bare["status"], bare["folded"]) == (run_id, "waiting", None)
    assert [line["kind"] for line in bare["journal"]] == ["started", "call_reserved", "call_settled", "asked"]
    folded = told["folded"]
    assert (folded["state"], folded["context"]) == ("help", {"query": "a cup", "note": None})
    assert folded["menu"] == [{"handoff": "done", "target": "paid", "against": None}]
    assert folded["waiting"][0]["text"] == "Use pay(cents=5)?"
    assert folded["ledger"]["left"] == folded["ledger"]["limit"]["tokens"] - folded["ledger"]["settled"]["tokens"]


def test_what_came_since_a_run_was_looked_at_is_left_out(tool):
    """Its journal ends where its head stands: a worker may store more in between."""
    with opened(URL) as store:
        run = found(store, asked(URL)[0])
        earlier = replace(run, inputs=run.inputs - 1)
        assert journal_of(store, earlier) == journal_of(store, run)[:-1]


def test_until_when_a_question_is_open_stands_beside_it(cli, write):
    """Its run, shown and resumed, says the moment behind the key of the question."""
    module = write(HUMAN.replace("initial=True", "initial=True, expires_s=3600"))
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    run_id, _ = asked(URL)

    for command in ("show", "resume"):
        told = cli.invoke(app, ["runs", command, run_id, module, *STORE]).stdout
        assert re.search(rf"Pay this\?  \({run_id}\S*, until \d{{4}}-\d\d-\d\d \d\d:\d\d\)", told), told


def kept(run_id: str) -> None:
    """Keep two prompts of a run, as a recorder does."""
    said = Message(role="user", content="Wie geht's?\x1b[31m")
    call = ToolCall(id="1", name="pay", arguments='{"cents": 5}')

    async def keep(store: SqlStore) -> None:
        asked = KeptPrompt(
            run_id=run_id, visit=0, call=1, state="help", model="a:b", at=0.0, messages=(said,), reply="Gut."
        )
        await store.prompts.keep(asked, most=9, since=0.0)
        again = Message(role="assistant", content="", tool_calls=(call,))
        failed = replace(asked, path=(2, 1), call=2, at=60.0, messages=(again,), reply=None)
        await store.prompts.keep(failed, most=9, since=0.0)

    with opened(URL) as store:
        asyncio.run(keep(store))


def test_prompts_that_were_kept_are_shown(cli, tool):
    """Who asked whom, in which call, and each text beside who said it; in JSON too, and only if they are wanted."""
    run_id, _ = asked(URL)
    kept(run_id)
    shown = cli.invoke(app, ["runs", "show", run_id, *STORE, "--prompts"]).stdout
    told = json.loads(cli.invoke(app, ["runs", "show", run_id, *STORE, "--prompts", "--json"]).stdout)

    assert "help asked a:b  hop 0, call 1, 1970-01-01" in shown
    assert "help in 2.1 asked a:b  hop 0, call 2, " in shown
    assert "  user       Wie geht's?" in shown
    assert "  reply      Gut." in shown
    assert '  assistant  pay({"cents": 5})\n  reply      (no reply)' in shown
    assert "\x1b[31m" not in shown
    assert ["Gut.", None] == [each.get("reply") for each in told["prompts"]]
    assert "Wie geht's" not in cli.invoke(app, ["runs", "show", run_id, *STORE]).stdout


def test_where_nothing_was_kept_the_option_says_how(cli, tool):
    """A runner has no recorder unless it is given one."""
    run_id, _ = asked(URL)

    assert (
        "no prompts are kept: give its runner" in cli.invoke(app, ["runs", "show", run_id, *STORE, "--prompts"]).stdout
    )


def test_a_run_that_was_landed_shows_which_tools_it_used(cli, tool):
    """Their effects stand, and what nobody answered is told apart; where the run landed says the same."""
    run_id, _ = asked(URL)
    landed = cli.invoke(app, ["runs", "land", run_id, tool, *STORE]).stdout
    shown = cli.invoke(app, ["runs", "show", run_id, tool, *STORE]).stdout

    assert "\n            used before: pay (1 asked for, not approved)\n" in shown
    assert "Landed in human (cancelled)" in landed
    assert "; used before: pay (1 asked for, not approved)" in " ".join(landed.split())
