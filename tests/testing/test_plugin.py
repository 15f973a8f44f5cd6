"""The pytest plug-in, in a project of somebody else: a process of its own, warnings as errors."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

MACHINE = '''
from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, never

class Ticket(Context):
    query: str
    answer: str | None = None

class Desk(Machine[Ticket]):
    """Answer."""
    triage = State(LLMAgent("Decide.", does=("decide",), reads=(Ticket.query,)), initial=True)
    refund = State(LLMAgent("Refund.", does=("refund",), writes=(Ticket.answer,), calls=1))
    verify = State(LLMAgent("Verify.", must_not=("refund",), calls=1))
    answered, human = Final(), Final(fallback=True)
    to_refund = triage.to(refund, "money")
    to_verify = triage.to(verify, "who is it")
    verified = verify.to(refund, "it is them")
    done = refund.to(answered, "it is done")
    limits = Limits(hops=5, tokens=20_000)
    POLICY
'''
LUCKY = """
import zlib
from fsm_orch import guard

@guard
def is_lucky(ticket: Ticket) -> bool:
    return zlib.crc32(ticket.query.encode()) == 7
"""
OWN_TEST = """
from desk.shop import Desk, Ticket
from fsm_orch.testing import Turn, play

def test_own():
    turns = [Turn(Desk.triage, Desk.to_refund), Turn(Desk.refund, changes={Ticket.answer: "x"})]
    assert play(Desk, Ticket(query="?"), turns).state is Desk.answered
"""

RECORDED_TEST = """
import asyncio, httpx2, pytest
from fsm_orch import Message
from fsm_orch.models import Request
from fsm_orch.models.openai import ChatModel

def answer(request):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    return httpx2.Response(ANSWER, json={"id": "1", "object": "chat.completion", "created": 1, "model": "m",
                           "choices": [choice], "usage": usage})

class TestModel:
    @pytest.mark.parametrize("text", ["a/b", "a b", "a::b"])
    def test_hello(self, text, fsm_cassette):
        model = ChatModel("m", api_key="none", base_url="https://x.example/v1", transport=httpx2.MockTransport(answer))
        asked = Request(messages=(Message(role="user", content=text),), max_output_tokens=9)
        assert asyncio.run(model.complete(asked)).text == "Hi"
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one machine in a package and one test."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (pytester.path / "desk").mkdir()
    (pytester.path / "desk" / "__init__.py").touch()
    write(pytester)
    (pytester.path / "test_own.py").write_text(OWN_TEST)
    return pytester


def write(project: pytest.Pytester, policy: str = "") -> None:
    (project.path / "desk" / "shop.py").write_text(MACHINE.replace("POLICY", policy))


def run(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    quick = ("-p", "_fsm_orch_pytestplugin", "-W", "error", "-p", "no:cacheprovider")
    return project.runpytest_subprocess(*quick, *options)


def test_a_target_is_collected(project: pytest.Pytester) -> None:
    """A machine gives readable ids, and nothing else is collected."""
    result = run(project, "--fsm", "desk", "--collect-only", "-q")

    ids = [line for line in result.outlines if "::" in line]
    names = ("findings", "bounded", "policies", "safety", "replay", "resumes", "survives")
    assert [f"desk/shop.py::Desk::{name}" for name in names] == ids


def test_machines_of_one_file_can_be_picked_together(project: pytest.Pytester) -> None:
    """A file that is named twice, each time for another machine, is tested for both."""
    with (project.path / "desk" / "shop.py").open("a") as file:
        file.write("\nFirst = Desk\n" + MACHINE.replace("POLICY", ""))

    result = run(project, "--fsm", "desk.shop:First", "--fsm", "desk.shop:Desk", "--collect-only", "-q")

    assert {"Desk", "First"} == {line.split("::")[1] for line in result.outlines if "::" in line}


def test_a_target_without_machines_is_told(project: pytest.Pytester) -> None:
    """Nothing is tested there, which is no success; a folder needs a machine in one of its files only."""
    (project.path / "front").mkdir()
    (project.path / "front" / "__init__.py").write_text("from desk.shop import Desk")
    (project.path / "front" / "other.py").touch()

    result = run(project, "--fsm", "desk", "--fsm", "front")

    assert pytest.ExitCode.INTERRUPTED == result.ret
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["--fsm: 'front' defines no machine. *, or name one that it imports: front/*.py:Desk"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.slow
def test_ready_tests_pass(project: pytest.Pytester) -> None:
    """A sound machine passes all of them."""
    result = run(project, "--fsm", "desk")

    result.assert_outcomes(passed=7)


def test_the_ini_line_adds_machines_to_testpaths(project: pytest.Pytester) -> None:
    """A line in pyproject.toml adds the ready tests to all others, and not to a file that is named."""
    project.makepyprojecttoml('[tool.pytest.ini_options]\nfsm = ["desk"]')

    everything = run(project, "--collect-only", "-q")
    named = run(project, "--collect-only", "-q", "test_own.py")
    one = run(project, "desk/shop.py::Desk::bounded")

    assert {"test_own.py::test_own", "desk/shop.py::Desk::bounded"} <= {*everything.outlines}
    named.stdout.no_fnmatch_line("*Desk*")
    one.assert_outcomes(passed=1)


def test_a_failing_policy_shows_its_path(project: pytest.Pytester) -> None:
    """What is printed is the shortest path, and no traceback of ours."""
    write(project, "policies = (never(refund).before(verify),)")

    result = run(project, "--fsm", "desk", "-k", "policies")

    result.assert_outcomes(failed=1, deselected=6)
    result.stdout.fnmatch_lines(["*never(refund).before(verify): violated*", "*1*triage*to_refund*refund*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*fsm_orch/testing*")


def test_a_policy_that_is_open_fails(project: pytest.Pytester) -> None:
    """A policy that was not decided fails as one that is broken does: a skipped test would be read as a passed one."""
    write(project, "policies = (never(refund).after(is_lucky),)")
    shop = project.path / "desk" / "shop.py"
    shop.write_text(shop.read_text().replace("class Desk(", f"{LUCKY}\nclass Desk("))

    result = run(project, "--fsm", "desk", "-k", "policies")

    result.assert_outcomes(failed=1, deselected=6)
    result.stdout.fnmatch_lines(["*never(refund).after(is_lucky): possible*"])


def test_a_machine_that_does_not_build_is_a_failing_test(project: pytest.Pytester) -> None:
    """Its findings are what is printed."""
    write(project, "lost = State(LLMAgent('Nobody comes here.'))")

    result = run(project, "--fsm", "desk")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FSM103*", "FAILED desk/shop.py::builds*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_target_that_is_not_there_is_told(project: pytest.Pytester) -> None:
    """A misspelt target ends the session with a sentence."""
    result = run(project, "--fsm", "deks")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*--fsm: No module, file or folder 'deks'*"])


def test_what_is_missing_is_told(project: pytest.Pytester) -> None:
    """Without Hypothesis the session ends with what to install; any other module that is missing is no such case."""
    entry = Path(__file__).parents[2] / "fsm_orch" / "testing" / "entry.py"
    (project.path / "entry.py").write_text(entry.read_text())
    for name, expected in (("hypothesis", "*pip install -e '.?test?'*"), ("attrs", "*No module named 'attrs'*")):
        missing = f'raise ModuleNotFoundError("No module named {name!r}", name={name!r})'
        (project.path / "hypothesis.py").write_text(missing)

        result = project.runpytest_subprocess("-p", "entry", "-p", "no:cacheprovider", "--fsm", "desk")

        result.stderr.fnmatch_lines([expected])
        assert (pytest.ExitCode.USAGE_ERROR == result.ret) == (name == "hypothesis")


@pytest.mark.slow
def test_a_cassette_of_each_test_is_recorded_when_asked_and_replayed_else(project: pytest.Pytester) -> None:
    """One file for each test and its parameters, beside it; what would be sent now no longer matters."""
    own = project.path / "test_own.py"
    own.write_text(RECORDED_TEST.replace("ANSWER", "200"))
    unrecorded = run(project)
    recorded = run(project, "--fsm-record")
    own.write_text(RECORDED_TEST.replace("ANSWER", "500"))
    replayed = run(project)

    unrecorded.assert_outcomes(errors=3)
    unrecorded.stdout.fnmatch_lines(["*no cassette '*a%2Fb*: record it with a key*"])
    recorded.assert_outcomes(passed=3)
    replayed.assert_outcomes(passed=3)
    names = {file.name for file in (project.path / "cassettes" / "test_own").iterdir()}
    assert {f"TestModel.test_hello[{text}].json" for text in ("a%2Fb", "a b", "a%3A%3Ab")} == names


PAYING = """
from fsm_orch import Context, Final, Machine, State

class Bill(Context):
    cents: int
    paid: bool = False

def pay(visit):
    visit.deps.append(visit.context.cents)
    return {Bill.paid: 100 / visit.context.cents > 0}

def note(visit):
    return None

class Till(Machine[Bill, list]):
    look = State(note, initial=True)
    pay = State(pay, reads=Bill.cents, writes=Bill.paid)
    done, human = Final(), Final(fallback=True)
    go = look.to(pay)
    ended = pay.to(done)
"""


def test_agents_are_called_where_it_is_asked(project: pytest.Pytester) -> None:
    """Each state of code is a test of its own, with dependencies of the test's own, and without any it is skipped."""
    (project.path / "desk" / "till.py").write_text(PAYING)
    asked = ("--fsm", "desk.till", "-k", "act", "--fsm-call-agents", "-rs")
    unasked = run(project, "--fsm", "desk.till", "--collect-only", "-q")
    bare = run(project, *asked)
    hook = "def pytest_fsm_deps(machine, state):\n    assert machine.__name__ == 'Till'\n    return []\n"
    (project.path / "conftest.py").write_text(hook)
    given = run(project, *asked)

    unasked.stdout.no_fnmatch_line("*act*")
    bare.assert_outcomes(skipped=2, deselected=7)
    bare.stdout.fnmatch_lines(["*Till has dependencies: return the test's own from pytest_fsm_deps(machine, state)*"])
    given.assert_outcomes(passed=1, failed=1, deselected=7)
    given.stdout.fnmatch_lines(
        [
            "Till.pay: pay raised ZeroDivisionError: division by zero",
            "*in pay",
            "  on Bill(cents=0*",
        ]
    )
    given.stdout.no_fnmatch_line("*Traceback*")


def test_agents_are_called_by_name(project: pytest.Pytester) -> None:
    """One state can be named, with its machine or without; a name of no such state is told."""
    (project.path / "desk" / "till.py").write_text(PAYING)
    for name in ("look", "Till.look"):
        result = run(project, "--fsm", "desk.till", "--fsm-call-agent", name, "--collect-only", "-q")
        assert ["act[look]"] == [line.split("::")[-1] for line in result.outlines if "act[" in line]

    result = run(project, "--fsm", "desk", "--fsm-call-agent", "Till.done")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*no machine that was collected has a state 'Till.done' whose agent is code.*"])


def test_a_cassette_needs_its_recorder(project: pytest.Pytester) -> None:
    """Without it the test fails with what to install."""
    (project.path / "vcr.py").write_text('raise ModuleNotFoundError(name="vcr")')
    (project.path / "test_own.py").write_text("def test_own(fsm_cassette): pass")

    result = run(project)

    result.assert_outcomes(errors=1)
    told = "fsm_cassette needs vcr: install the extra `test` of fsm_orch; in a clone: pip install -e '.?test?'"
    result.stdout.fnmatch_lines([told])


@pytest.mark.slow
def test_coverage_reports_what_the_projects_own_tests_took(project: pytest.Pytester) -> None:
    """The ready tests do not count: two of four edges were taken by the test of the project."""
    result = run(project, "--fsm", "desk", "test_own.py", "-k", "own or replay", "--fsm-coverage")

    result.assert_outcomes(passed=2, deselected=6)
    result.stdout.fnmatch_lines(["Desk (*desk/shop.py:*): 2 of 4 edges (50 %) in 1 runs"])
    result.stdout.fnmatch_lines(["*never taken*triage -to_verify-> verify", "*never taken*verify -verified-> refund"])


def test_coverage_is_written_into_a_file(project: pytest.Pytester) -> None:
    """How often each edge was taken, and of which version of the machine; the report is printed too."""
    result = run(project, "test_own.py", "--fsm-coverage-json=taken.json")
    ((name, told),) = json.loads((project.path / "taken.json").read_text()).items()

    result.stdout.fnmatch_lines(["Desk (*): 2 of 4 edges (50 %) in 1 runs"])
    assert name.startswith("Desk (")
    assert 64 == len(told["digest"])
    assert (4, 1, [1, 1]) == (len(told["declared"]), told["runs"], [times for *_, times in told["edges"]])


def test_coverage_that_cannot_be_written_is_told(project: pytest.Pytester) -> None:
    """The tests have run; the report says what it could not do."""
    result = run(project, "test_own.py", "--fsm-coverage-json=nowhere/taken.json")

    result.stdout.fnmatch_lines(
        ["--fsm-coverage-json: nowhere/taken.json cannot be written: No such file or directory"]
    )


@pytest.mark.parametrize(("required", "code"), [(50, pytest.ExitCode.OK), (51, pytest.ExitCode.TESTS_FAILED)])
def test_coverage_can_be_required(project: pytest.Pytester, required: int, code: pytest.ExitCode) -> None:
    """A session that took too few edges fails."""
    result = run(project, "test_own.py", f"--fsm-require-coverage={required}")

    assert code == result.ret


def test_no_coverage_is_too_little(project: pytest.Pytester) -> None:
    """A session that runs no machine has taken none of its edges."""
    (project.path / "test_own.py").write_text("def test_own(): pass")

    result = run(project, "test_own.py", "--fsm-require-coverage=80")

    assert pytest.ExitCode.TESTS_FAILED == result.ret
    counts = "no test of yours ran a machine; each run that one begins counts, as Runner(Desk, ...).run_sync(...) does"
    result.stdout.fnmatch_lines([counts, "0 % of the declared edges were taken, 80 % are required"])


def test_what_the_report_advises_counts(project: pytest.Pytester) -> None:
    """Own tests named beside `--fsm` are run with the ready ones, and their edges are counted."""
    result = run(project, "test_own.py", "--fsm", "desk", "-k", "bounded or own", "--fsm-coverage")

    assert pytest.ExitCode.OK == result.ret
    result.stdout.fnmatch_lines(["Desk (*): 2 of 4 edges (50 %) in * run*"])
    result.stdout.no_fnmatch_line("*of yours*")


def test_ready_tests_are_no_coverage(project: pytest.Pytester) -> None:
    """A session of ready tests alone has taken no edge, and is told why."""
    result = run(project, "--fsm", "desk", "-k", "bounded", "--fsm-require-coverage=80")

    assert pytest.ExitCode.TESTS_FAILED == result.ret
    result.stdout.fnmatch_lines(
        [
            "Desk (*): 0 of 4 edges (0 %) in 0 runs",
            "no test of yours ran a machine; each run that one begins counts, as Runner(Desk, ...).run_sync(...) does",
            "the ready tests of --fsm do not count: they take nearly every edge, however little your own tests do",
            "--fsm alone collects no other tests, so name yours too: pytest tests --fsm desk --fsm-coverage",
            "0 % of the declared edges were taken, 80 % are required",
        ]
    )


@pytest.mark.parametrize("required", ["nan", "-5", "400", "most"])
def test_required_coverage_is_a_percentage(project: pytest.Pytester, required: str) -> None:
    """What no session can reach, or any session does, is refused."""
    result = run(project, f"--fsm-require-coverage={required}")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"*--fsm-require-coverage: {required!r} is not a number from 0 to 100"])


def test_unused_it_loads_nothing() -> None:
    """The module that pytest loads in every project imports pytest alone, and what Python itself brings."""
    program = "import sys, pytest; had = {*sys.modules}; import _fsm_orch_pytestplugin; print(*{*sys.modules} - had)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"_fsm_orch_pytestplugin"} == loaded - sys.stdlib_module_names


def test_the_wheel_brings_the_plug_in() -> None:
    """The entry point names a module, and the module is in the wheel; beside it there is the gallery, and no more."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())

    assert {"fsm_orch": "_fsm_orch_pytestplugin"} == project["project"]["entry-points"]["pytest11"]
    forced = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {"fsm_orch/testing/entry.py": "_fsm_orch_pytestplugin.py", "machines": "fsm_orch/gallery"} == forced
