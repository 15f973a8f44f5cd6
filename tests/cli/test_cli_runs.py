"""`fsm-orch runs show`, `resume`, `answer`, `land` and `prune`, and `fsm-orch run --store`."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from cli.conftest import DESK
from cli.test_cli_run import assert_refused, scripted
from cli.test_cli_run_asks import HUMAN, TOOL
from msgspec.structs import replace
from support.in_store import change, put

from fsm_orch import Runner, discover
from fsm_orch.cli import app
from fsm_orch.cli.stored import found, journal_of, opened
from fsm_orch.errors import Drained
from fsm_orch.kernel.inputs import Answered, Asked
from fsm_orch.store import Head, store_at

URL = "sqlite:///runs.db"
STORE = ["--store", URL]
USE = {"reply": {"use": {"tool": "pay", "arguments": {"cents": 5}}}}
SAID = {"reply": {"note": "done"}}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch) -> None:
    """Nobody waits for the lease of another worker, or for a database that is away."""
    monkeypatch.setattr("fsm_orch.cli.runs_go_on._AGAIN_S", 0.0)
    monkeypatch.setattr("fsm_orch.cli.runs_go_on._LATE_S", -14.9)


def asked(store) -> tuple[str, str]:
    """Give what the only run of a store is called, and what it is at."""

    async def listed():
        (row,) = await kept.list()
        return row.run_id, row.head.status

    kept = store_at(store)
    try:
        return asyncio.run(listed())
    finally:
        kept.close()


@pytest.fixture
def tool(cli, write, monkeypatch) -> str:
    """A machine whose only run waits for the approval of a tool; gives its module."""
    module = write(TOOL)
    scripted(monkeypatch, USE)
    result = cli.invoke(app, ["run", module, "a cup", *STORE])
    assert result.exit_code == 3, result.output
    return module


@pytest.fixture
def human(cli, write) -> str:
    """A machine whose only run waits for a form with several fields; gives its module."""
    module = write(HUMAN)
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    return module


def test_a_run_that_is_kept_says_how_to_go_on_with_it(cli, write, monkeypatch):
    """Its id is told before anything happens, and where it waits the command that answers it, both without the URL."""
    module = write(TOOL)
    scripted(monkeypatch, USE)
    result = cli.invoke(app, ["run", module, "a cup", *STORE])
    run_id, status = asked(URL)

    assert (result.exit_code, status) == (3, "waiting")
    first, _, last = result.stderr.splitlines()
    assert first == f"fsm-orch: run {run_id} is kept. If this ends: fsm-orch runs resume {run_id} {module} --store ..."
    assert last == f"fsm-orch: To answer it at any time: fsm-orch runs answer {run_id} {module} --store ..."
    assert "runs.db" not in result.output


def test_a_run_is_kept_in_a_file_that_is_made(cli, desk):
    """With a store a run is as without one, and is there afterwards."""
    result = cli.invoke(app, ["run", desk, "hello", *STORE, "--json"])

    assert (json.loads(result.stdout)["run_id"], "finished") == asked(URL)
    assert result.stderr == ""


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


def test_a_landing_is_shown_with_its_reason(cli, desk):
    """It stands in the path."""
    assert cli.invoke(app, ["run", desk, "x", "--context", '{"amount": 100}', *STORE]).exit_code == 0
    result = cli.invoke(app, ["runs", "show", asked(URL)[0], desk, *STORE])

    assert "  path      look -landing-> human  (no_handoff: nothing is legal in 'look')" in result.stdout


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nobody"], "knows of no run 'nobody'"),
        (["resume", "nobody", "MODULE"], "knows of no run 'nobody'"),
        (["answer", "nobody", "MODULE", "yes"], "knows of no run 'nobody'"),
        (["land", "nobody"], "knows of no run 'nobody'"),
        (["show", "RUN", "--at", "2"], "name its MODULE"),
        (["show", "RUN", "MODULE", "--at", "0"], "from 1 to that"),
        (["show", "RUN", "MODULE", "--at", "5"], "has 4 inputs"),
        (["answer", "RUN", "MODULE", "perhaps"], "answered by True or False"),
        (["answer", "RUN", "MODULE", "yes", "--question", "k"], "no open question 'k': it waits for "),
        (["prune", "--older-than", "soon"], "'soon' is no span of time"),
    ],
)
def test_what_cannot_be_done_is_one_line(cli, tool, words, said):
    """It is said with what is expected; nothing has changed, and the exit code is 2."""
    run_id, status = asked(URL)
    result = cli.invoke(app, ["runs", *({"RUN": run_id, "MODULE": tool}.get(word, word) for word in words), *STORE])

    assert_refused(result, said)
    assert (run_id, status) == asked(URL)


@pytest.mark.parametrize(
    "words", [["show", "RUN", "MODULE"], ["resume", "RUN", "MODULE"], ["answer", "RUN", "MODULE", "yes"]]
)
def test_another_machine_than_the_runs_is_refused(cli, tool, write, words):
    """Both digests are named, and what to do."""
    run_id, _ = asked(URL)
    other = write(TOOL.replace("Help.", "Help us."))
    result = cli.invoke(app, ["runs", *({"RUN": run_id, "MODULE": other}.get(word, word) for word in words), *STORE])

    assert_refused(result, "was started on digest", "and Desk is now", "take the code that it was started with")


@pytest.mark.parametrize("command", ["show", "resume"])
@pytest.mark.parametrize("guard", ["amount > 100", "answer is None"])
def test_code_that_has_changed_under_a_run_is_told(cli, write, tmp_path, monkeypatch, command, guard):
    """A guard whose body was changed has the same digest, and folds the journal to another end."""
    module = write(DESK.replace('"it is small"', '"x"'))
    assert cli.invoke(app, ["run", module, "x", *STORE]).exit_code == 0
    run_id, _ = asked(URL)
    source = (tmp_path / f"{module}.py").read_text(encoding="utf-8")
    (tmp_path / f"{module}.py").write_text(source.replace("amount < 100", guard), encoding="utf-8")
    monkeypatch.delitem(__import__("sys").modules, module)
    __import__("importlib").invalidate_caches()
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    result = cli.invoke(app, ["runs", command, run_id, module, *STORE])

    assert_refused(result, "other code has changed since")


@pytest.mark.parametrize("command", ["show", "resume", "answer"])
def test_a_run_without_a_beginning_is_one_line(cli, tool, tmp_path, command):
    """It was forgotten between two looks at the store, or somebody has changed its rows."""
    run_id, _ = asked(URL)
    change(tmp_path / "runs.db", "DELETE FROM fsm_inputs WHERE position = 0")
    result = cli.invoke(app, ["runs", command, run_id, tool, *STORE])

    assert_refused(result, f"run '{run_id}' has no beginning")


def test_an_id_cannot_steer_the_terminal_from_a_hint(cli, tmp_path, monkeypatch):
    """What is to be done next is said with the id in one line, its control characters written out."""
    monkeypatch.chdir(tmp_path)
    put(URL, "a\x1b[2J\nb", Head("verify"))
    result = cli.invoke(app, ["runs", "land", "a\x1b[2J\nb", *STORE])

    assert "runs land a\\x1b[2J\\nb MODULE" in result.stdout


def test_an_approval_pays_and_the_run_goes_on(cli, tool, monkeypatch):
    """A yes given in the command is folded with who gave it; the whole path is shown, and the result."""
    run_id, _ = asked(URL)
    scripted(monkeypatch, SAID)
    result = cli.invoke(app, ["runs", "answer", run_id, tool, "yes", "--who", "ann", *STORE])

    assert result.exit_code == 0, result.output
    assert "help   done    → paid" in result.stdout
    assert "Ended in paid" in result.stdout
    kept = store_at(URL)
    (said,) = [each for each in asyncio.run(kept.load(run_id)) if isinstance(each, Answered) and each.who]
    kept.close()
    assert (said.who, said.value) == ("ann", True)
    assert "waits for no answer" in cli.invoke(app, ["runs", "answer", run_id, tool, "yes", *STORE]).stderr


def test_who_answers_is_the_user_if_nobody_says(cli, tool, monkeypatch):
    """The journal holds a name."""
    run_id, _ = asked(URL)
    scripted(monkeypatch, SAID)
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    assert cli.invoke(app, ["runs", "answer", run_id, tool, "no", *STORE]).exit_code == 0
    shown = json.loads(cli.invoke(app, ["runs", "show", run_id, *STORE, "--json"]).stdout)

    assert [line["who"] for line in shown["journal"] if "who" in line] == ["root"]


def test_an_answer_that_comes_too_late_is_one_line(cli, tool, monkeypatch):
    """Of a run that has ended nothing is shown but that it waits for no answer."""
    run_id, _ = asked(URL)
    scripted(monkeypatch, SAID)
    words = ["runs", "answer", run_id, tool, "no", *STORE]

    assert cli.invoke(app, words).exit_code == 0
    assert_refused(cli.invoke(app, words), "waits for no answer: it is finished")


def test_the_terminal_is_asked_by_the_form(cli, human):
    """Without an answer each field is asked for, and what does not fit is asked again."""
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "answer", run_id, human, *STORE], input="maybe\n5\nn\n\nyes\n5\ny\n\n")

    assert result.exit_code == 0, result.output
    assert result.stdout.count("Pay this?") == 2
    assert "'maybe' does not exist" in result.stderr
    assert "urgent  True" in result.stdout


def test_several_fields_are_answered_by_an_object(cli, human):
    """Anything else names the fields; with --json the result is one object."""
    run_id, _ = asked(URL)
    words = ["runs", "answer", run_id, human]
    assert_refused(cli.invoke(app, [*words, "yes", *STORE]), "asks for handoff, cents, urgent, note")
    result = cli.invoke(
        app, [*words, '{"handoff": "yes", "cents": 5, "urgent": false, "note": null}', *STORE, "--json"]
    )

    told = json.loads(result.stdout)
    assert (told["state"], told["context"]["cents"]) == ("paid", 5)


def test_as_json_what_a_machine_prints_is_beside_the_object(cli, write):
    """With --json stdout is one object, whatever the code of the machine prints when the run goes on."""
    module = write("""
    from fsm_orch import *

    class Claim(Context):
        query: str
        note: str | None = None

    def tell(visit: Visit[Claim]):
        print("told")

    class Desk(Machine[Claim]):
        ask = State(HumanAgent("Which?", reads=Claim.query, writes=Claim.note), initial=True)
        tell = State(tell)
        done, human = Final(), Final(fallback=True)
        flow = ask >> tell >> done
""")
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    result = cli.invoke(app, ["runs", "answer", asked(URL)[0], module, "this", *STORE, "--json"])

    assert (json.loads(result.stdout)["state"], result.stderr) == ("done", "told\n")


def test_what_came_since_a_run_was_looked_at_is_left_out(tool):
    """Its journal ends where its head stands: a worker may store more in between."""
    with opened(URL) as store:
        run = found(store, asked(URL)[0])
        earlier = replace(run, inputs=run.inputs - 1)
        assert journal_of(store, earlier) == journal_of(store, run)[:-1]


def test_nobody_at_the_terminal_leaves_the_run_waiting(cli, human):
    """The exit code says that it waits, and nothing has changed."""
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "answer", run_id, human, *STORE], input="")

    assert result.exit_code == 3
    assert "nobody is at the terminal" in result.stderr
    assert asked(URL) == (run_id, "waiting")


def test_a_run_that_waits_is_resumed_to_where_it_waits(cli, tool):
    """It is shown with its path so far, what it waits for and how to answer; the exit code says that it waits."""
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "resume", run_id, tool, *STORE])

    assert result.exit_code == 3
    assert f"Waits: Use pay(cents=5)?  ({run_id}:0:1)\n" in result.stdout
    assert result.stdout.endswith(f"To answer: fsm-orch runs answer {run_id} {tool} --store ...\n")


def test_until_when_a_question_is_open_stands_beside_it(cli, write):
    """Its run, shown and resumed, says the moment behind the key of the question."""
    module = write(HUMAN.replace("initial=True", "initial=True, expires_s=3600"))
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    run_id, _ = asked(URL)

    for command in ("show", "resume"):
        told = cli.invoke(app, ["runs", command, run_id, module, *STORE]).stdout
        assert re.search(rf"Pay this\?  \({run_id}\S*, until \d{{4}}-\d\d-\d\d \d\d:\d\d\)", told), told


def test_an_expired_question_is_not_answered_and_lets_its_run_go_on(cli, write):
    """The answer is refused with what to do, and `resume` leaves the state over `on_timeout`."""
    late = "\n        late = ask.on_timeout(human)\n"
    module = write(HUMAN.replace("initial=True", "initial=True, expires_s=1e-6") + late)
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    run_id, _ = asked(URL)
    assert_refused(cli.invoke(app, ["runs", "answer", run_id, module, "{}", *STORE]), "has expired", "runs resume")
    result = cli.invoke(app, ["runs", "resume", run_id, module, *STORE])

    assert result.exit_code == 0
    assert "ask       late    → human" in result.stdout


def test_a_run_that_another_worker_drives_is_left_alone(cli, tool, tmp_path):
    """Its lease is waited for, which is said, and then it is refused."""
    run_id, _ = asked(URL)
    change(tmp_path / "runs.db", "UPDATE fsm_runs SET owner = 'w'")
    change(tmp_path / "runs.db", "INSERT INTO fsm_workers VALUES ('w', 1e12)")
    result = cli.invoke(app, ["runs", "resume", run_id, tool, *STORE])

    waited, refused = result.stderr.splitlines()
    assert result.exit_code == 2
    assert "is driven by worker w" in waited
    assert waited.endswith("Waiting: if it has died, its lease is over within 15 s")
    assert "is driven by worker w" in refused


BESIDE = """
    import asyncio
    from pathlib import Path
    from fsm_orch import *

    class Pair(Context):
        query: str
        one: str | None = None
        two: str | None = None

    async def takes_long(visit: Visit[Pair]):
        while not Path("is over").exists():
            await asyncio.sleep(0.01)
        return {Pair.two: "slowly"}

    class Asks(Machine[Pair]):
        '''Ask.'''

        ask = State(HumanAgent("Which?", reads=Pair.query, writes=Pair.one), initial=True)
        told, human = Final(), Final(fallback=True)
        yes = ask.to(told, "it is known")

    class Beside(Machine[Pair]):
        '''Ask, while something else is at work.'''

        ask = State(
            Parallel(
                Nested(Asks, writes=Pair.one), State(takes_long, writes=Pair.two, timeout_s=9, repeatable=True)
            ),
            initial=True,
            timeout_s=9,
        )
        done, human = Final(), Final(fallback=True)
        on = ask.to(done)
"""


@pytest.fixture
def beside(write) -> tuple[str, str]:
    """A run that asks while work is due beside it, and that nobody drives; gives its id and its machine."""
    module = f"{write(BESIDE)}:Beside"

    async def begun() -> None:
        machine, store = discover.machine(module, Path.cwd()), store_at(URL)
        runner = Runner(machine, store=store)
        task = asyncio.ensure_future(runner.run(machine.definition.context(query="x"), run_id="r"))
        while not [event for event in await store.load("r") if isinstance(event, Asked)][1:]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await runner.drain(grace_s=0)
        with pytest.raises(Drained):
            await task
        store.close()

    asyncio.run(begun())
    Path("is over").touch()
    return "r", module


def context_of(cli, run_id: str, module: str) -> dict[str, object]:
    """Give what a stored run holds."""
    result = cli.invoke(app, ["runs", "show", run_id, module, *STORE, "--json"])
    return json.loads(result.stdout)["folded"]["context"]


def test_a_question_is_answered_while_other_work_is_due(cli, beside):
    """What is asked is shown, and an answer is taken, as the inbox takes it at any time."""
    run_id, module = beside
    shown = cli.invoke(app, ["runs", "show", run_id, module, *STORE])
    result = cli.invoke(app, ["runs", "answer", run_id, module, "this", *STORE])

    assert "Which?" in shown.stdout.partition("waits for")[2]
    assert result.exit_code == 0, result.output
    assert "Ended in done" in result.stdout
    assert {"one": "this", "two": "slowly"}.items() <= context_of(cli, run_id, module).items()


def test_an_answer_to_a_run_that_is_driven_is_left_in_its_inbox(cli, beside, tmp_path):
    """Its worker goes on with it, so that nobody waits for the lease; a second answer is told of the first."""
    run_id, module = beside
    change(tmp_path / "runs.db", "UPDATE fsm_runs SET owner = 'w'")
    change(tmp_path / "runs.db", "INSERT INTO fsm_workers VALUES ('w', 1e12)")
    result = cli.invoke(app, ["runs", "answer", run_id, module, "this", *STORE])
    again = cli.invoke(app, ["runs", "answer", run_id, module, "that", *STORE])
    told = "answered: worker w drives the run, and finds the answer in its inbox within seconds\n"

    assert (result.exit_code, result.stdout, result.stderr) == (0, told, "")
    assert_refused(again, "came first")
    change(tmp_path / "runs.db", "UPDATE fsm_workers SET expires_at = 0")
    assert cli.invoke(app, ["runs", "resume", run_id, module, *STORE]).exit_code == 0
    assert context_of(cli, run_id, module)["one"] == "this"


def test_an_interrupt_says_where_the_run_stands(cli, tool, monkeypatch):
    """Ctrl-C at a question changes nothing, and the line says what goes on with the run."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fsm_orch.cli.runs_go_on.answer_to", interrupted)
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "answer", run_id, tool, *STORE])

    assert result.exit_code == 130
    assert "Interrupted: the run can go on: fsm-orch runs resume" in result.stderr
    assert asked(URL) == (run_id, "waiting")


def test_landing_is_asked_of_whoever_drives_the_run(cli, tmp_path, monkeypatch):
    """Of one that a worker drives it is said that it lands it; of one that nobody drives, what lands it now."""
    monkeypatch.chdir(tmp_path)
    put(URL, "driven", Head("a"), is_beating=True)
    put(URL, "free", Head("a", "waiting"))
    put(URL, "done", Head("a", "finished"))
    driven, free, done = (cli.invoke(app, ["runs", "land", run, *STORE]) for run in ("driven", "free", "done"))

    assert driven.stdout == "asked to land: its worker lands it within seconds\n"
    command = "fsm-orch runs land free MODULE --store ..."
    assert free.stdout == f"asked to land: nobody drives it. To land it now, name its module: {command}\n"
    assert_refused(done, "run 'done' has ended in 'a': there is nothing to land")
    listed = cli.invoke(app, ["runs", "list", *STORE]).stdout
    assert listed.count(", asked to land") == 2


def test_a_run_that_nobody_drives_is_landed_here(cli, tool):
    """With its machine it ends in the fallback, with the reason, and nothing is asked of anybody."""
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "land", run_id, tool, *STORE])

    assert result.exit_code == 0, result.output
    assert "Landed in human (cancelled)" in result.stdout
    assert asked(URL) == (run_id, "finished")


def test_what_has_finished_is_pruned_by_age(cli, tmp_path, monkeypatch):
    """A dry run counts the same runs, and forgets none; younger ones and open ones stay."""
    monkeypatch.chdir(tmp_path)
    for run, status in (("old", "finished"), ("open", "waiting"), ("older", "finished")):
        put(URL, run, Head("a", status))
    change(tmp_path / "runs.db", "UPDATE fsm_runs SET began_at = began_at - 86400, stored_at = stored_at - 86400")
    put(URL, "young", Head("a", "finished"))
    prune = ["runs", "prune", *STORE, "--older-than"]

    def said(*words: str) -> str:
        return cli.invoke(app, [*prune, *words]).stdout

    assert said("2d", "--dry-run") == "would forget 0 runs\n"
    assert said("23h", "--dry-run") == "would forget 2 runs\n"
    assert json.loads(said("23h", "--dry-run", "--json")) == {"runs": 2, "is_dry_run": True}
    assert said("23h") == "forgot 2 runs\n"
    assert said("0s", "--json") == '{"runs":1,"is_dry_run":false}\n'
    assert asked(URL) == ("open", "waiting")


def test_a_dry_run_counts_what_is_pruned(cli, tmp_path, monkeypatch):
    """What a conversation goes on with stays, and is not counted."""
    monkeypatch.chdir(tmp_path)
    for run, status, thread in (
        ("a", "finished", "t"),
        ("b", "waiting", "t"),
        ("c", "finished", "t"),
        ("d", "finished", "u"),
    ):
        put(URL, run, Head("x", status), thread_id=thread)
    prune = ["runs", "prune", *STORE, "--older-than", "0s"]

    assert cli.invoke(app, [*prune, "--dry-run"]).stdout == "would forget 2 runs\n"
    assert cli.invoke(app, prune).stdout == "forgot 2 runs\n"


def test_spans_are_read_and_told():
    """What is told of a span is its largest unit."""
    from fsm_orch.cli.moments import seconds_of, span

    assert [seconds_of(text) for text in ("1.5h", "30d", "2w", "90m", "5s")] == [5_400, 2_592_000, 1_209_600, 5_400, 5]
    assert [span(seconds) for seconds in (-3, 59.9, 60, 7_199, 86_400)] == ["0 s", "59 s", "1 min", "1 h", "1 d"]


CODEC = """
    import os

    class Mirror:
        def encode(self, place, text):
            return text[::-1]

        def decode(self, place, stored):
            return stored[::-1]

    def mirror():
        return Mirror()

    def fails():
        raise ValueError("the key is s3cret")

    def none():
        return "s3cret"
"""


def test_a_store_is_shown_and_driven_through_its_codec(cli, write, monkeypatch):
    """The function that makes it is named, as an option or in the environment; without it nothing is read."""
    codec = f"{write(CODEC)}:mirror"
    module = write(TOOL)
    scripted(monkeypatch, USE)
    began = cli.invoke(app, ["run", module, "a cup", *STORE, "--codec", codec])
    run_id, status = asked(URL)
    assert (began.exit_code, status) == (3, "waiting"), began.output
    refused = cli.invoke(app, ["runs", "show", run_id, *STORE])
    shown = cli.invoke(app, ["runs", "show", run_id, module, *STORE, "--codec", codec])
    scripted(monkeypatch, SAID)
    answered = cli.invoke(app, ["runs", "answer", run_id, module, "yes", *STORE], env={"FSM_ORCH_CODEC": codec})

    assert_refused(refused, f"input 0 of run '{run_id}' cannot be read", "was it stored with a codec")
    assert "a cup" in shown.stdout
    assert answered.exit_code == 0, answered.output
    assert asked(URL) == (run_id, "finished")


@pytest.mark.parametrize(
    ("name", "said"), [("fails", "raised ValueError"), ("none", "returned a str"), ("nobody", "No function")]
)
def test_a_codec_that_cannot_be_made_is_one_line_without_its_key(cli, write, tool, name, said):
    """What its function raises or returns may hold a key, and is not shown."""
    codec = f"{write(CODEC)}:{name}"
    for command in (["runs", "show", asked(URL)[0]], ["worker", tool]):
        result = cli.invoke(app, [*command, *STORE, "--codec", codec])

        assert_refused(result, said)
        assert "s3cret" not in result.output
