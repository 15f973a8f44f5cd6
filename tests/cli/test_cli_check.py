"""`fsm-orch check`."""

import errno
import json
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from fsm_orch.cli import app, check
from fsm_orch.proof.bounds.certificate import Certificate

BAD = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    class Bad(Machine[Ticket]):
        ask = State(LLMAgent("Answer.", reads=(Ticket.answer,)), initial=True)
        answered, human = Final(), Final(fallback=True)
        done = ask.to(answered)
        lost = ask.to(human, "it cannot be answered")
"""

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

BROKEN = """
    from fsm_orch import *

    class Ticket(Context):
        query: str

    class Broken(Machine[Ticket]):
        '''Leak, now and then.'''

        ask = State(LLMAgent("Route.", max_input_tokens=900, max_output_tokens=100), initial=True)
        leak = State(print)
        answered, human = Final(), Final(fallback=True)
        to_leak = ask.to(leak, "leak")
        done = (ask | leak).to(answered, "done")
        policies = (never(to_leak), eventually(answered | human))
"""


def words(result):
    return " ".join(result.stdout.split())


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


def test_a_machine_without_calls_spends_nothing(cli, desk):
    """There is no table of tokens to read then; its findings are warnings, which do not fail."""
    result = cli.invoke(app, ["check", desk])

    assert "tokens none: no agent calls a model" in words(result)
    assert "FSM202 warning" in result.stdout
    assert result.exit_code == 0
    assert cli.invoke(app, ["check", desk, "--strict"]).exit_code == 1


def test_a_priced_model_bounds_the_cost(cli, ask):
    """A model whose price is known bounds it in dollars, without a key."""
    said = words(cli.invoke(app, ["check", ask, "--model", "openai:gpt-5-mini"]))

    assert re.search(r"cost at most \$0\.00\d+, visiting ask not limited", said)


def test_a_model_of_unknown_price_is_named(cli, ask):
    """It is not as if none had been named."""
    said = words(cli.invoke(app, ["check", ask, "--model", "compatible:mine"]))

    assert "cost not limited; the price of 'compatible:mine' is not known: to bound it, name a model whose" in said


def test_a_cost_limit_that_cannot_be_kept_is_not_said_to_be(cli, write, ask_source):
    """Until a model is named cost is not bounded; with one of unknown price no run would start, which is an error."""
    module = write(ask_source + "        limits = Limits(cost_usd='0.01')\n")
    unnamed = cli.invoke(app, ["check", module])
    unknown = cli.invoke(app, ["check", module, "--model", "compatible:mine"])

    assert "cost limited to $0.01, and not bounded; to bound it, name a model whose price is known" in words(unnamed)
    assert (unnamed.exit_code, unknown.exit_code) == (0, 1)
    assert "FSM306: the price of 'compatible:mine', the model of 'ask', is not known" in unknown.stdout
    assert "cost limited to $0.01, and not bounded; the price of 'compatible:mine' is not known" in words(unknown)


def test_a_name_that_can_be_no_models_is_refused(cli, ask, tmp_path):
    """Nothing is proved for a model that no runner would find."""
    for name in ("bogus:foo", "openai", "openai:"):
        refused = cli.invoke(app, ["check", ask, "--model", name, "--certificate", "ask.json"])

        assert (refused.exit_code, refused.stdout) == (2, "")
        assert f"fsm-orch: No model {name!r}. Name one as provider:model; providers: local:..., " in refused.stderr
    assert not (tmp_path / "ask.json").exists()


def test_limits_that_no_run_can_start_in_are_said(cli, write, ask_source):
    """Money needs a price, so it is known here for the first time."""
    module = write(ask_source + "        limits = Limits(cost_usd='0.000001')\n")

    assert cli.invoke(app, ["check", module]).exit_code == 0
    refused = cli.invoke(app, ["check", module, "--model", "openai:gpt-5-mini"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(
        "fsm-orch: Ask cannot start: the first call of 'ask' may take 2,304 tokens and $0."
    )


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


def test_how_to_learn_more_is_said_once(cli, ask, write):
    """Below the findings the codes of errors and warnings are named, of machines that build too; notes are not."""
    noted = write(NOTED)

    assert cli.invoke(app, ["check", write(BAD)]).stdout.endswith("\nto learn more: fsm-orch explain FSM117 FSM110\n\n")
    assert cli.invoke(app, ["check", ask]).stdout.endswith("\nto learn more: fsm-orch explain FSM502\n\n")
    assert "findings 1 note" in words(cli.invoke(app, ["check", noted]))
    assert "explain" not in cli.invoke(app, ["check", noted]).stdout


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


def test_a_counterexample_is_written_as_a_test(cli, write, tmp_path):
    """It names the machine where it is imported from, and the policy."""
    module = write(BROKEN)
    cli.invoke(app, ["check", module, "--counterexample", "test_found.py"])

    source = (tmp_path / "test_found.py").read_text(encoding="utf-8")
    assert f"from {module} import Broken, Ticket\n" in source
    assert "    assert_kept(Broken, Broken.policies[0], result)\n" in source


@pytest.mark.parametrize("option", ["--certificate", "--counterexample"])
@pytest.mark.parametrize("file", ["nowhere/file", "folder", ""])
def test_a_file_that_cannot_be_written_is_one_line(cli, write, tmp_path, monkeypatch, option, file):
    """It is said before anything is explored, with the file and the reason; 1 would mean a finding."""
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(check, "_prove", lambda *_, **__: pytest.fail("explored"))
    refused = cli.invoke(app, ["check", write(BROKEN), option, file, "--model", "local:smollm2"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    reason = "No such file or directory" if file == "nowhere/file" else "Is a directory"
    assert refused.stderr == f"fsm-orch: cannot write {file or '.'!r}: {reason}. Name a file in an existing folder\n"


@pytest.mark.parametrize("option", ["--certificate", "--counterexample"])
def test_a_file_that_is_refused_at_last_is_one_line(cli, write, monkeypatch, option):
    """What cannot be known before is said the same way."""
    refusal = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(Path, "write_bytes", mock.Mock(side_effect=refusal))
    refused = cli.invoke(app, ["check", write(BROKEN), option, "found", "--model", "local:smollm2"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("fsm-orch: cannot write 'found': Permission denied. ")


@pytest.mark.parametrize(
    ("option", "kind"), [("--certificate", "a certificate"), ("--counterexample", "a counterexample")]
)
@pytest.mark.parametrize("held", ["SECRET=1\n", "{}", '{"machine": "Ask"}', "[1]", "\xff"])
def test_a_file_of_another_kind_is_kept(cli, write, tmp_path, monkeypatch, option, kind, held):
    """What is there, and is not what would be written, is refused before anything is explored, and not touched."""
    (tmp_path / "there").write_text(held, encoding="latin-1")
    with monkeypatch.context() as without:
        without.setattr(check, "_prove", lambda *_, **__: pytest.fail("explored"))
        refused = cli.invoke(app, ["check", write(BROKEN), option, "there", "--model", "local:smollm2"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == f"fsm-orch: 'there' is there, and is not {kind}: name another file, or say --force\n"
    assert held == (tmp_path / "there").read_text(encoding="latin-1")


@pytest.mark.parametrize("option", ["--certificate", "--counterexample"])
@pytest.mark.parametrize("held", [None, "", "SECRET=1\n"])
def test_what_was_written_before_is_written_anew(cli, write, tmp_path, option, held):
    """A file of the same kind, an empty one, and any with --force, is written over."""
    line = ["check", write(BROKEN), option, "there", "--model", "local:smollm2"]
    cli.invoke(app, line)
    written = (tmp_path / "there").read_bytes()
    if held is not None:
        (tmp_path / "there").write_text(held)

    again = cli.invoke(app, [*line, "--force"] if held else line)

    assert (again.exit_code, again.stderr) == (1, "")
    assert written == (tmp_path / "there").read_bytes()


def test_one_file_cannot_hold_both(cli, write, tmp_path):
    """A certificate and a counterexample that name one file are refused, however it is spelt."""
    line = ["check", write(BROKEN), "--certificate", "one", "--counterexample", "./one", "--model", "local:smollm2"]
    refused = cli.invoke(app, line)

    assert (refused.exit_code, refused.stderr) == (2, "fsm-orch: 'one' cannot hold both: name two files\n")
    assert not (tmp_path / "one").exists()


def test_no_counterexample_is_said(cli, ask, tmp_path):
    """A machine whose policies hold has none, and nothing is written."""
    result = cli.invoke(app, ["check", ask, "--counterexample", "test_found.py"])

    assert result.stderr == "fsm-orch: Ask has no counterexample, so test_found.py was not written\n"
    assert not (tmp_path / "test_found.py").exists()


def test_a_certificate_is_written(cli, ask, write, ask_source, tmp_path):
    """What is written is read back as the machine's."""
    cli.invoke(app, ["check", ask, "--certificate", "ask.json", "--model", "local:smollm2"])

    certificate = Certificate.load((tmp_path / "ask.json").read_text(encoding="utf-8"))
    assert (certificate.machine, certificate.bounds["tokens"].bound) == ("Ask", 4_608)
    assert certificate.models == {"ask": "local:smollm2"}
    own = write(ask_source.replace('LLMAgent("Answer.", ', 'LLMAgent("Answer.", model="openai:gpt-5-mini", '))
    cli.invoke(app, ["check", own, "--certificate", "own.json", "--model", "local:smollm2"])
    written = (tmp_path / "own.json").read_text(encoding="utf-8")
    assert Certificate.load(written).models == {"ask": "openai:gpt-5-mini"}
    refused = cli.invoke(app, ["check", ask, "--certificate", "other.json"])
    assert "A certificate is bound to models, and 'ask' names none: give --model" in refused.stderr
    assert not (tmp_path / "other.json").exists()


def test_slack_can_be_required(cli, write, ask_source):
    """A worst case above the limit fails then, and says what would make it fit."""
    module = write(ask_source + "        limits = Limits(tokens=3_000)\n")

    assert cli.invoke(app, ["check", module]).exit_code == 0
    result = cli.invoke(app, ["check", module, "--require-slack"])
    assert result.exit_code == 1
    assert "FSM305: the worst run takes 4,608, the limit is 3,000" in result.stdout
    assert "to make it fit: raise the limit, `Limits(tokens=4_608)`" in words(result)


def test_an_exploration_that_ends_early_says_so(cli, write):
    """What was not seen is not claimed: policies that were not broken so far are unknown."""
    result = cli.invoke(
        app,
        [
            "check",
            write(BROKEN.replace("never(to_leak), eventually(answered | human)", "never(to_leak),")),
            "--max-configurations",
            "1",
        ],
    )

    said = words(result)
    assert result.exit_code == 1
    assert "explored not all runs, since it ended there: 1 configurations" in said
    assert "unknown never(to_leak)" in said
    assert "FSM413 warning" in said
    assert "was not decided: the exploration ended at 1 configurations" in said


def test_a_long_exploration_shows_how_far_it_is(cli, ask, monkeypatch):
    """The bar is on stderr, and nothing of it on stdout."""
    monkeypatch.setattr(check, "_QUIET_S", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = []
    monkeypatch.setattr(check.Progress, "update", lambda self, task, **said: shown.append(said["description"]))

    with check._progress("Ask") as on_progress:
        on_progress(12_000, 3_000)
    assert shown == ["Ask: 12,000 configurations, 3,000 to look into"]


def test_a_long_exploration_writes_lines_where_there_is_no_terminal(monkeypatch, capsys):
    """One line after a while on stderr, and then no more for a while: a log is not filled with them."""
    now = iter([0.0, 1.0, 3.0, 4.0, 14.0])
    monkeypatch.setattr(check.time, "perf_counter", lambda: next(now))

    with check._progress("Ask") as on_progress:
        for found in (1_000, 12_000, 13_000, 14_000):
            on_progress(found, 3_000)

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "Ask: 12,000 configurations, 3,000 to look into, 3 s",
        "Ask: 14,000 configurations, 3,000 to look into, 14 s",
    ]


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


def test_every_machine_of_a_module_is_checked(cli, write, desk_source):
    """Without a name all machines are shown in their order; with one only that."""
    module = write(
        desk_source + "\n    class Other(Machine[Ticket]):\n" + desk_source.split("'''Answer, or land.'''")[1]
    )

    both = cli.invoke(app, ["check", module]).stdout
    one = cli.invoke(app, ["check", f"{module}:Other"]).stdout
    assert both.index("Desk builds") < both.index("Other builds")
    assert "Desk" not in one
    refused = cli.invoke(app, ["check", module, "--certificate", "one.json"])
    assert (refused.exit_code, refused.stderr) == (
        2,
        "fsm-orch: A file holds what is said of one machine, and there are 2: name one\n",
    )


def test_several_targets_are_checked_in_their_order(cli, write, desk, ask):
    """Each machine is checked once, however often it is named; the exit code is that of the worst."""
    bad = write(BAD)
    page = cli.invoke(app, ["check", ask, bad, f"{desk}.py", f"{ask}.py", f"{bad}.py"])

    shown = [line.split()[0] for line in page.stdout.splitlines() if " does not build: " in line or " builds " in line]
    assert ["Ask", "Bad", "Desk"] == shown
    assert (page.exit_code, cli.invoke(app, ["check", ask, desk]).exit_code) == (1, 0)


def test_one_target_that_is_not_there_is_said_before_anything_is_checked(cli, ask):
    """A misspelt name must not look like a machine that was checked."""
    refused = cli.invoke(app, ["check", ask, "nowhere"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("fsm-orch: No module, file or folder 'nowhere'")


def test_every_module_of_a_folder_is_checked(cli, write, desk_source):
    """One that does not build is shown in its place, fails the check, and keeps no other from being checked."""
    names = {f"{write(source)}.py": name for name, source in (("Bad", BAD), ("Desk", desk_source)) for _ in range(2)}
    page, data = cli.invoke(app, ["check", "."]), cli.invoke(app, ["check", ".", "--json"])

    shown = [line.split()[:2] for line in page.stdout.splitlines() if " does not build: " in line or " builds " in line]
    assert (page.exit_code, data.exit_code) == (1, 1)
    assert [[names[file], "does" if names[file] == "Bad" else "builds"] for file in sorted(names)] == shown
    assert [names[file] for file in sorted(names)] == [one["machine"] for one in json.loads(data.stdout)["machines"]]


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


def test_a_context_that_does_not_build_is_a_finding(cli, write):
    """What keeps a context class from being built is shown like a machine's findings."""
    result = cli.invoke(app, ["check", write("from fsm_orch import *\nclass Bad(Context): xs: list[int]")])

    assert result.exit_code == 1
    assert "FSM130: Bad.xs holds a list" in result.stdout


def test_a_module_that_is_not_there_exits_with_2(cli):
    """Nothing was checked, so it is neither 0 nor 1."""
    result = cli.invoke(app, ["check", "nowhere"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("fsm-orch: No module, file or folder 'nowhere'")


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

    class Desk(Machine[Claim]):
        '''Help.'''

        first = State(
            LLMAgent("Help.", does="help", writes=Claim.note, tools=(look_up, Tool(pay, approval=True))),
            initial=True,
        )
        second = State(LLMAgent("Look.", tools=look_up, tool_first=True, asks=1), expires_s=9)
        done, human = Final(), Final(fallback=True)
        flow = first >> second >> done
        limits = Limits(tokens=20_000)
    """)
    result = cli.invoke(app, ["check", module])

    assert result.exit_code == 0, result.output
    assert "tools       first: look_up, pay (once approved); at most 2 asks a visit" in result.stdout
    assert "second: look_up, one of them first; at most 1 ask a visit" in result.stdout
    assert "4 x 2,304 = 9,216" in result.stdout
