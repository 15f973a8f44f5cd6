"""`fsm-orch run` that asks a human: a question of the machine, or whether a tool may be used."""

import json
import re
import textwrap

import pytest
from cli.conftest import HUMAN, STORE, TOOL, scripted

from fsm_orch.cli import app
from fsm_orch.cli.answering import how_to_answer
from fsm_orch.cli.ask import answer_from
from fsm_orch.cli.show import CommandError
from fsm_orch.run.waiting import Question


def test_a_human_is_asked_in_the_terminal(cli, write):
    """The question, what it is about and the meaning of each handoff are shown, and each field is asked for."""
    result = cli.invoke(app, ["run", write(HUMAN), "a cup"], input="yes\n5\ny\n\n")

    assert result.exit_code == 0
    for said in ("Pay this?  (ask)", "query  a cup", "yes: pay it; no: do not", "handoff [yes/no]: ", "cents: "):
        assert said in result.stdout
    assert "ask       yes     → paid" in result.stdout
    assert "cents   5" in result.stdout
    assert "urgent  True" in result.stdout
    assert "note" not in result.stdout.partition("Ended in paid")[2]


def test_a_line_that_does_not_fit_is_asked_for_again_at_once(cli, write):
    """What is no choice and not of its field's kind is told on stderr, and that field alone comes again."""
    result = cli.invoke(app, ["run", write(HUMAN), "a cup"], input="maybe\nYes\nyes\nmany\ntrue\n5\nlater\ny\n\n")

    assert result.exit_code == 0
    assert result.stdout.count("Pay this?") == 1
    assert [result.stdout.count(f"{name}: ") for name in ("handoff [yes/no]", "cents", "urgent", "note")] == [
        3,
        3,
        2,
        1,
    ]
    assert result.stderr.splitlines() == [
        *["fsm-orch: handoff is answered by yes or no"] * 2,
        *["fsm-orch: cents is answered by a whole number or nothing"] * 2,
        "fsm-orch: urgent is answered by yes or no",
    ]
    assert "cents   5" in result.stdout
    assert "Ended in paid" in result.stdout


def test_what_a_limit_refuses_is_asked_for_again(cli, write):
    """It is of the right kind, so the whole is tried: why it is refused is told, and the question comes again."""
    positive = HUMAN.replace("cents: int | None = None", "cents: Annotated[int, Ge(0)] = 0")
    source = "from typing import Annotated\nfrom annotated_types import Ge\n" + textwrap.dedent(positive)
    result = cli.invoke(app, ["run", write(source), "a cup"], input="no\n-5\nn\n\nno\n5\nn\n\n")

    assert result.exit_code == 0, result.output
    assert result.stdout.count("Pay this?") == 2
    assert "cents: Input should be greater than or equal to 0" in result.stderr
    assert "Ended in declined" in result.stdout


def test_nobody_at_the_terminal_leaves_the_run_waiting(cli, write):
    """Without a line to read the run is left, with an exit code of its own."""
    result = cli.invoke(app, ["run", write(HUMAN), "a cup"], input="yes\n")

    assert result.exit_code == 3
    assert "nobody is at the terminal: run it with --store, which keeps it for `fsm-orch runs answer`" in result.stderr
    assert result.stdout.endswith(": \n"), "what is shown next begins a line of its own"


def test_nobody_at_the_terminal_is_told_the_command(cli, write):
    """With a store the command is whole but for the answer, and what that is made of is said; it then answers."""
    module = write(HUMAN)
    result = cli.invoke(app, ["run", module, "a cup", *STORE])
    told = re.search(rf"fsm-orch (runs answer \S+ {module} )ANSWER --store sqlite:///runs\.db ", result.stderr)

    assert result.exit_code == 3
    assert told is not None
    assert "(ANSWER: a JSON object of handoff (yes or no), cents, urgent, note)" in result.stderr
    answer = json.dumps({"handoff": "yes", "cents": 5, "urgent": False, "note": None})
    answered = cli.invoke(app, [*told[1].split(), answer, *STORE])
    assert answered.exit_code == 0, answered.output
    assert "Ended in paid" in answered.stdout


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["shown", "json"])
def test_without_a_store_nobody_can_answer_later_and_is_told_so(cli, write, more):
    """It says what keeps a run, and how answers are given at once."""
    module = write(HUMAN)
    result = cli.invoke(app, ["run", module, "a cup", *more])

    assert result.exit_code == 3
    assert f"have it kept: fsm-orch run {module} ... --store sqlite:///runs.db" in result.stderr
    assert "give a line for each field on stdin" in result.stderr


def test_a_question_that_has_expired_is_not_asked_again(cli, write):
    """An answer that comes too late is told, and the run goes on over `on_timeout`."""
    late = """
        late = ask.on_timeout(human)
"""
    module = write(HUMAN.replace("initial=True", "initial=True, expires_s=1e-6") + late)
    result = cli.invoke(app, ["run", module, "a cup"], input="yes\n5\ny\n\n")

    assert result.exit_code == 0
    assert "has expired" in result.stderr
    assert "ask       late    → human" in result.stdout


def test_an_interrupt_at_a_question_leaves_the_run_waiting(cli, write, monkeypatch):
    """Ctrl-C lands only what is under way: of a run that waits it is said that it does."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fsm_orch.cli.run.answer_to", interrupted)
    result = cli.invoke(app, ["run", write(HUMAN), "a cup"])

    assert result.exit_code == 130
    assert "Interrupted: the run waits for an answer" in result.stderr
    assert "landed" not in result.stderr


def test_as_json_a_question_is_printed(cli, write):
    """With --json nobody is asked: the object says what the run waits for, and the exit code that it does."""
    result = cli.invoke(app, ["run", "--json", write(HUMAN), "a cup"])
    told = json.loads(result.stdout)

    assert (result.exit_code, told["status"], told["state"]) == (3, "waiting", "ask")
    (question,) = told["waiting"]
    assert (question["text"], question["shown"]) == ("Pay this?", {"query": "a cup"})
    assert list(question["form"]["properties"]) == ["handoff", "cents", "urgent", "note"]


@pytest.mark.parametrize(("line", "told"), [("yes", '{"result":"paid 5"}'), ("n", '{"failed":"a human declined it"}')])
def test_a_tool_is_approved_in_the_terminal(cli, write, monkeypatch, line, told):
    """Its arguments are shown, and yes or no is asked for; anything else is asked for again."""
    seen = []

    def decide(request):
        seen.append(request.messages[-1].content)
        return {"reply": {"note": "done"}}

    scripted(monkeypatch, {"reply": {"use": {"tool": "pay", "arguments": {"cents": 5}}}}, decide)
    result = cli.invoke(app, ["run", write(TOOL), "a cup"], input=f"perhaps\n{line}\n")

    assert result.exit_code == 0
    assert result.stdout.count("Use pay(cents=5)?  (help)") == 1
    assert result.stdout.count("yes or no: ") == 2
    assert "Use pay(cents=5)? is answered by yes or no" in result.stderr
    assert seen == [told]
    assert "Ended in paid" in result.stdout


def test_each_of_several_questions_has_a_command_of_its_own():
    """Where a run asks for several answers, each command names its question."""
    form = {"properties": {"handoff": {"enum": ["yes", "no"]}}}
    questions = [Question(key=f"r:0:{ask}", state="ask", text="Pay?", form=form) for ask in (1, 2)]

    assert [*how_to_answer("r", "my desk.py", questions, "--store ...")] == [
        f"To answer it at any time: fsm-orch runs answer r 'my desk.py' ANSWER --store ... --question r:0:{ask} "
        "(ANSWER: the value of handoff (yes or no))"
        for ask in (1, 2)
    ]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer", "enum": [0, 1]}, "1", 1),
        ({"type": "integer", "enum": [0, 1]}, "true", None),
        ({"const": 1}, "true", None),
        ({"type": "integer"}, "true", None),
        ({"type": "number"}, "2", 2),
        ({"type": "number"}, "NaN", None),
        ({"type": "boolean"}, "Y", True),
        ({"type": "array"}, '["a"]', ["a"]),
        ({"type": "array"}, "a", None),
        ({}, "true", "true"),
    ],
)
def test_a_text_is_an_answer_only_of_its_kind(schema, text, value):
    """A yes is no number, though Python takes True for 1, and what JSON does not have is none either."""
    question = Question(key="r:0:1", state="ask", text="How many?", form={"properties": {"it": schema}})

    if value is None:
        with pytest.raises(CommandError, match="it is answered by"):
            answer_from(question, text)
    else:
        assert repr({"it": value}) == repr(answer_from(question, text))
