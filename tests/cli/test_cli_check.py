"""`fsm-orch check`: what is shown of a machine, and what the exit code says."""

import json
import re
import subprocess
import sys

import pytest
from support.checked import BAD, BROKEN, words

from fsm_orch.cli import app


def test_a_machine_that_builds_shows_what_is_proved(cli, ask):
    """A table of its states, bounds with their paths, what was explored, and what it rests on."""
    result = cli.invoke(app, ["check", ask])

    said = words(result)
    assert result.exit_code == 0
    assert f"Ask builds {ask}.py:8, digest " in said
    assert "* ask LLMAgent 2,304 2 x 2,304 = 4,608 8 10" in said
    assert "tokens at most 4,608 tokens, visiting ask slack: within the limit of 10,000 tokens" in said
    assert "cost not limited; to bound it, name a model whose price is known" in said
    assert "calls at most 2 calls, visiting ask" in said
    assert "hops at most 1 hop, visiting ask" in said
    assert "time at most 10 s each of these was checked edge by edge" in said
    assert "agents stop promptly when cancelled; sync functions cannot be cancelled, and return while" in said
    assert "observers answer promptly; waiting for a store is not counted" in said
    assert re.search(r"explored all runs: [\d,]+ configurations, [\d,]+ steps, 1 hop deep in \d+\.\d\d s", said)
    assert "held T1 closure; T2 termination; T3 budget; T4 deadline; T5 landing" in said
    assert "assuming providers keep their output caps" in said
    assert "guards are pure: what they answer depends on the context alone" in said
    assert "findings 1 warning, 1 note" in said


AWAY = """
    from fsm_orch import *

    class Ticket(Context):
        query: str

    def work(visit): ...

    class Route(Machine[Ticket]):
        route = State(LLMAgent("Route.", reads=Ticket.query), initial=True)
        look, tell = State(work), State(work)
        done, human = Final(), Final(fallback=True)
        to_look, to_tell = route.to(look, "look it up"), route.to(tell, "tell it")
        on, end = look.to(tell), tell.to(done)
        lost = look.on_failure(done)
"""
"""A machine with a failure edge."""


def test_what_a_run_does_if_an_agent_is_away_is_told(cli, write):
    """A line for each state of which something else is said, and the same as JSON, with the edges by name."""
    module = write(AWAY)
    said = cli.invoke(app, ["check", module]).stdout
    (shown,) = json.loads(cli.invoke(app, ["check", module, "--json"]).stdout)["machines"]

    assert (
        """
  if away     route: landing
              look: done (on failure); from route: tell remains
              tell: landing; from route: look remains; from look: done (on failure), or landing

  assuming """
        in said
    )
    assert "an agent that is not available only closes handoffs; what some run can do is said with all" in said
    lost = {"handoff": "lost", "target": "done", "is_guarded": False}
    to_look = {"handoff": "to_look", "target": "look", "is_guarded": False}
    assert {
        "state": "tell",
        "edge": None,
        "before": [
            {"state": "route", "remain": [to_look], "edge": None, "may_land": False},
            {"state": "look", "remain": [], "edge": lost, "may_land": True},
        ],
    } == shown["away"][-1]
    assert [None, lost] == [each["edge"] for each in shown["away"][:2]]


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
   = expected: a description on every exit of a model or a human that has several: it is all that they see of it
   = fix: say when to take it: .to(answered, "when ...")
"""
        in result.stdout
    )


NOTED = """
    from fsm_orch import *

    class Ticket(Context):
        query: str

    class Ask(Machine[Ticket]):
        ask = State(LLMAgent("Answer.", reads=(Ticket.query,)), initial=True)
        answered, human = Final(), Final(fallback=True)
        done = ask.to(answered, "it is answered")
"""
"""A machine of one model, of which there is a note and no more."""


def test_how_to_learn_more_is_said_once(cli, ask, write):
    """Below the findings the codes of errors and warnings are named, of machines that build too; notes are not."""
    noted = write(NOTED)

    assert cli.invoke(app, ["check", write(BAD)]).stdout.endswith("\nto learn more: fsm-orch explain FSM117 FSM110\n\n")
    assert cli.invoke(app, ["check", ask]).stdout.endswith("\nto learn more: fsm-orch explain FSM502\n\n")
    assert "findings 1 note" in words(cli.invoke(app, ["check", noted]))
    assert "explain" not in cli.invoke(app, ["check", noted]).stdout


def test_a_context_that_does_not_build_is_a_finding(cli, write):
    """What keeps a context class from being built is shown like a machine's findings."""
    result = cli.invoke(app, ["check", write("from fsm_orch import *\nclass Bad(Context): xs: list[int]")])

    assert result.exit_code == 1
    assert "FSM130: Bad.xs holds a list" in result.stdout


def test_a_broken_policy_is_shown_with_its_path(cli, write):
    """The verdict of each policy, the path as a table, the smallest change, and how to get the test."""
    module = write(BROKEN)
    result = cli.invoke(app, ["check", module])

    said = words(result)
    assert result.exit_code == 1
    assert "policies violated never(to_leak) holds eventually(answered | human)" in said
    assert "hop state handoff to reserved total 1 ask to_leak leak 1,000 0" in said
    assert f"as a test fsm-orch check {module}:Broken --counterexample test_counterexample.py" in said
    assert "FSM411: never(to_leak) is violated: ask -to_leak-> leak" in said


OPEN = """
    import zlib
    from fsm_orch import *

    class Ticket(Context):
        query: str

    @guard
    def is_lucky(ticket: Ticket) -> bool:
        return zlib.crc32(ticket.query.encode()) == 7

    class Lottery(Machine[Ticket]):
        '''Pay whoever has drawn the number.'''

        draw, pay = State(print, initial=True), State(print)
        answered, human = Final(), Final(fallback=True)
        won = draw.to(pay, guard=is_lucky)
        done = (draw | pay).to(answered)
        policies = (never(pay),)
"""
"""A machine whose policy is open: no value is found for which its guard holds, and there may be one."""


def test_only_policies_that_hold_pass(cli, write):
    """Whoever reads the exit code alone is told of a policy that is possible, though no finding is an error."""
    result = cli.invoke(app, ["check", write(OPEN)])

    assert "error" not in result.stdout
    assert "possible never(pay)" in words(result)
    assert result.exit_code == 1


def test_json_gives_all_of_it(cli, write):
    """With --json bounds, exploration, policies, findings and counterexamples are data."""
    result = cli.invoke(app, ["check", write(BROKEN), "--json"])

    (shown,) = json.loads(result.stdout)["machines"]
    assert result.exit_code == 1
    assert (shown["machine"], len(shown["digest"])) == ("Broken", 64)
    assert shown["certificate"]["bounds"]["tokens"]["bound"] == 2_000
    assert shown["verdicts"] == {"tokens": "slack", "cost": None}
    assert shown["exploration"]["is_complete"] is True
    assert shown["exploration"]["held"] == ["T1", "T2", "T3", "T4", "T5"]
    assert [policy["verdict"] for policy in shown["policies"]] == ["violated", "holds"]
    assert [finding["code"] for finding in shown["findings"]] == ["FSM411"]
    (example,) = shown["counterexamples"]
    assert example["path"] == "ask -to_leak-> leak"
    assert example["pytest"].startswith('"""A counterexample')
    assert "stroke-width:5px" in example["mermaid"]
    assert example["table"].splitlines()[1].split() == ["1", "ask", "to_leak", "leak", "1,000", "0"]


def test_json_gives_findings(cli, write):
    """With --json the findings of a machine that does not build are data too, and the exit code stays 1."""
    result = cli.invoke(app, ["check", write(BAD), "--json"])

    (shown,) = json.loads(result.stdout)["machines"]
    assert result.exit_code == 1
    assert shown["machine"] == "Bad"
    assert [finding["code"] for finding in shown["findings"]] == ["FSM117", "FSM110"]
    assert set(shown["findings"][0]) == {"code", "where", "problem", "expected", "fix", "level", "about"}


@pytest.mark.parametrize("machines", ["machines.shop", "machines.helpdesk"])
def test_without_scipy_it_is_said_what_to_install(machines):
    """A machine whose proof needs the solver says so in a line; one that does not is proved all the same."""
    program = (
        "import sys; sys.modules['scipy'] = sys.modules['scipy.optimize'] = None; "
        f"from fsm_orch.cli import app; app(['check', '{machines}'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    if machines == "machines.shop":
        assert done.returncode == 2
        assert "pip install -e '.[proof]'" in done.stderr
        assert done.stderr.count("\n") == 1
    else:
        assert done.returncode == 0


def test_tools_are_shown(cli, write):
    """What a model may use, which of it needs approval, and how often it may ask; and it is explored."""
    module = write("""
    from fsm_orch import *

    def look_up(order: int) -> str:
        '''Look it up.'''
        return ""

    def pay(cents: int) -> str:
        '''Pay it.'''
        return ""

    class Claim(Context):
        query: str
        note: str | None = None

    class Brief(Machine[Claim]):
        '''Write a note.'''

        work = State(LLMAgent("Write.", does="write", reads=Claim.query, writes=Claim.note), initial=True)
        done, human = Final(), Final(fallback=True)
        flow = work >> done

    class Desk(Machine[Claim]):
        '''Help.'''

        first = State(
            LLMAgent("Help.", does="help", writes=Claim.note, tools=(look_up, Tool(pay, approval=True))),
            initial=True,
        )
        second = State(LLMAgent("Look.", tools=look_up, tool_first=True, asks=1), expires_s=9)
        third = State(LLMAgent("Sum up.", tools=Brief, calls=2, asks=1))
        done, human = Final(), Final(fallback=True)
        flow = first >> second >> third >> done
        limits = Limits(tokens=40_000)
    """)
    result = cli.invoke(app, ["check", f"{module}:Desk"])

    assert result.exit_code == 0, result.output
    assert "third: Brief (a machine); at most 1 ask a visit" in result.stdout
    assert "tools       first: look_up, pay (once approved); at most 2 asks a visit" in result.stdout
    assert "second: look_up, one of them first; at most 1 ask a visit" in result.stdout
    assert "4 x 2,304 = 9,216" in result.stdout
