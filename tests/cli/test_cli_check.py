"""`fsm-orch check`."""

import json

from fsm_orch.cli import app

BAD = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    class Bad(Machine[Ticket]):
        ask = State(LLMAgent("Answer.", reads=(Ticket.answer,)), initial=True)
        answered, human = Final(), Final(fallback=True)
        done = ask.to(answered)
"""


def test_a_machine_that_builds_shows_its_bounds(cli, ask):
    """A table of its states, the bounds of a run, and what they rest on."""
    result = cli.invoke(app, ["check", ask])

    words = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert f"Ask builds {ask}.py:8, digest " in words
    assert "* ask LLMAgent 2,304 2 x 2,304 = 4,608 8 10" in words
    assert "hops at most 8" in words
    assert "worst case 8 x 4,608 (ask) = 36,864 tokens" in words
    assert "verdict guarded: the worst case is 26,864 tokens above the limit" in words
    assert "cost not limited" in words
    assert "assuming providers keep output caps" in words


def test_a_worst_case_within_the_limit_is_slack(cli, desk):
    """A machine without calls costs nothing, so the ledger never lands it."""
    words = " ".join(cli.invoke(app, ["check", desk]).stdout.split())

    assert "worst case 0 tokens" in words
    assert "verdict slack" in words


def test_findings_are_shown_with_their_lines(cli, write):
    """Each finding has its code, place, source line, what is allowed and what to do; the exit code is 1."""
    module = write(BAD)
    result = cli.invoke(app, ["check", module])

    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.startswith("Bad does not build: 2 findings\n")
    assert (
        f"""
FSM117: 'done' leaves 'ask' without a description
  --> {module}.py:11
   |
11 | done = ask.to(answered)
   |
   = allowed: a description on every exit of an LLM agent: it is all that the model sees of it
   = do: say when to take it: .to(answered, "when ...")
"""
        in result.stdout
    )


def test_every_machine_of_a_module_is_checked(cli, write, desk_source):
    """Without a name all machines are shown in their order; with one only that."""
    module = write(
        desk_source + "\n    class Other(Machine[Ticket]):\n" + desk_source.split("'''Answer, or land.'''")[1]
    )

    both = cli.invoke(app, ["check", module]).stdout
    one = cli.invoke(app, ["check", f"{module}:Other"]).stdout
    assert both.index("Desk builds") < both.index("Other builds")
    assert "Desk" not in one


def test_json_gives_bounds(cli, ask):
    """With --json a machine's bounds are data."""
    (shown,) = json.loads(cli.invoke(app, ["check", ask, "--json"]).stdout)["machines"]

    assert (shown["machine"], shown["findings"], len(shown["digest"])) == ("Ask", [], 64)
    assert shown["bounds"]["worst_case"] == 36_864
    assert shown["bounds"]["dearest"] == {"ask": 8}
    assert shown["bounds"]["verdict"] == "guarded"
    assert shown["bounds"]["limits"]["tokens"] == 10_000
    assert shown["bounds"]["states"] == [
        {
            "state": "ask",
            "agent": "LLMAgent",
            "calls": 2,
            "grant": 2_304,
            "worst_case": 4_608,
            "max_visits": 8,
            "timeout_s": 10.0,
        }
    ]


def test_json_gives_findings(cli, write):
    """With --json findings are data too, and the exit code stays 1."""
    result = cli.invoke(app, ["check", write(BAD), "--json"])

    (shown,) = json.loads(result.stdout)["machines"]
    assert result.exit_code == 1
    assert (shown["machine"], shown["bounds"]) == ("Bad", None)
    assert [finding["code"] for finding in shown["findings"]] == ["FSM117", "FSM110"]
    assert set(shown["findings"][0]) == {"code", "where", "came", "allowed", "do"}


def test_a_context_that_does_not_build_is_a_finding(cli, write):
    """What keeps a context class from being built is shown like a machine's findings."""
    result = cli.invoke(app, ["check", write("from fsm_orch import *\nclass Bad(Context): xs: list[int]")])

    assert result.exit_code == 1
    assert "FSM130: Bad.xs holds a list" in result.stdout


def test_a_module_that_is_not_there_exits_with_2(cli):
    """Nothing was checked, so it is neither 0 nor 1."""
    result = cli.invoke(app, ["check", "nowhere"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("fsm-orch: No module 'nowhere'")
