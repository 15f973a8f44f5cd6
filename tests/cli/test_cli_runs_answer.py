"""`fsm-orch runs answer`: a human answers what a stored run asks, and it goes on."""

import asyncio
import json
from pathlib import Path

import pytest
from cli.conftest import HUMAN, SAID, STORE, URL, asked, assert_refused, scripted
from support.in_store import change

from fsm_orch import Runner, discover
from fsm_orch.cli import app
from fsm_orch.errors import Drained
from fsm_orch.kernel.inputs import Answered, Asked
from fsm_orch.store import store_at

pytestmark = pytest.mark.usefixtures("at_once")


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
    result = cli.invoke(app, ["runs", "answer", run_id, human, *STORE], input="maybe\nyes\n5\ny\n\n")

    assert result.exit_code == 0, result.output
    assert (result.stdout.count("Pay this?"), result.stdout.count("handoff [yes/no]: ")) == (1, 2)
    assert "handoff is answered by yes or no" in result.stderr
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


def test_nobody_at_the_terminal_leaves_the_run_waiting(cli, human):
    """The exit code says that it waits, and nothing has changed."""
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "answer", run_id, human, *STORE], input="")

    assert result.exit_code == 3
    assert "nobody is at the terminal: give it after the machine" in result.stderr
    assert asked(URL) == (run_id, "waiting")


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


def test_an_interrupt_says_where_the_run_stands(cli, tool, monkeypatch):
    """Ctrl-C at a question changes nothing, and the line says what goes on with the run."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fsm_orch.cli.runs.go_on.answer_to", interrupted)
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "answer", run_id, tool, *STORE])

    assert result.exit_code == 130
    assert "Interrupted: the run can go on: fsm-orch runs resume" in result.stderr
    assert asked(URL) == (run_id, "waiting")


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
                Nested(Asks, writes=Pair.one), State(takes_long, writes=Pair.two, timeout_s=50, repeatable=True)
            ),
            initial=True,
            timeout_s=50,
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
