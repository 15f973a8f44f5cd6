"""`fsm-orch chat`: each line starts the next run of a thread, or answers a run that waits."""

from __future__ import annotations

import pytest
from support.speaking import Speaking

from fsm_orch import CallFailed, Price, ScriptedModel
from fsm_orch.cli import app
from fsm_orch.models import registry

TALK = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        mood: Given[str] = "calm"
        answer: str | None = None

    class Talk(Machine[Ticket]):
        '''Talk.'''

        reply = State(
            LLMAgent(
                "Answer.", reads=Ticket.query, writes=(Ticket.answer, Ticket.mood), calls=1,
                max_input_tokens=900, max_output_tokens=100,
            ),
            initial=True,
        )
        said = Final()
        human = Final(fallback=True, sets={Ticket.answer: "Later."})
        done = reply.to(said)
        limits = Limits(tokens=1_000, thread_tokens=2_500)
"""
"""A machine whose runs are a thread."""

HUMAN = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    class Desk(Machine[Ticket]):
        '''Ask back.'''

        back = State(HumanAgent("What do you mean?", reads=Ticket.query, writes=Ticket.query), initial=True)
        sure = State(HumanAgent("Sure?"))
        reply = State(LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer))
        said, human = Final(), Final(fallback=True)
        on = back.to(sure)
        yes, no = sure.to(reply, "answer it"), sure.to(human, "leave it")
        done = reply.to(said)
"""
"""A machine whose runs ask the person."""


@pytest.fixture
def model(monkeypatch):
    """Let every name of a model mean one script, which is filled in later."""
    lines: list = []
    made = ScriptedModel(iter(lines))
    monkeypatch.setattr(registry, "resolve", lambda name: made)
    return made, lines


def test_each_line_is_a_run_of_one_thread(cli, write, model):
    """Lines are answered in turn, each run sees the one before it, and what the thread has left is shown."""
    made, lines = model
    lines += [{"answer": "First.", "mood": "cross"}, {"answer": "Second.", "mood": "cross"}]

    result = cli.invoke(app, ["chat", write(TALK)], input="one\n\ntwo\n/quit\nthree\n")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Talk  Talk.\n/quit ends it\n")
    left = [
        int(line.split()[3].replace(",", "")) for line in result.stdout.splitlines() if "left of this thread" in line
    ]
    assert [2_500, *left] == sorted([2_500, *left], reverse=True)
    assert 2 == len(left) == len(made.requests)
    said = [message.content for message in made.requests[1].messages]
    assert any("one" in text for text in said)
    assert any("First." in text for text in said)
    assert result.stdout.index("First.") < result.stdout.index("Second.")


def test_it_ends_with_its_input(cli, write, model):
    """Where no line is left the conversation is over, which is no error."""
    result = cli.invoke(app, ["chat", write(TALK)], input="")

    assert (0, "") == (result.exit_code, result.stderr)


def test_it_says_when_the_money_is_used_up(cli, write, model):
    """A thread that cannot pay the first call of another run is over, and it is said with both numbers."""
    _, lines = model
    lines += [{"answer": f"{number}" * 90, "mood": "calm"} for number in range(9)]

    result = cli.invoke(app, ["chat", write(TALK)], input="x\n" * 99)

    assert result.exit_code == 0, result.output
    assert "This thread is used up: " in result.stdout
    assert "the first call of a run may take 1,000 tokens" in " ".join(result.stdout.split())


def test_it_says_which_money_is_used_up(cli, write, monkeypatch):
    """Where dollars alone are limited, both numbers are told in dollars too."""
    made = ScriptedModel([{"answer": "a" * 60, "mood": "calm"}] * 99, price=Price("1", "2"))
    monkeypatch.setattr(registry, "resolve", lambda name: made)
    source = TALK.replace("thread_tokens=2_500", 'thread_cost_usd="0.002"')

    result = cli.invoke(app, ["chat", write(source)], input="x\n" * 99)

    said = " ".join(result.stdout.split())
    assert "This thread is used up: $0.0" in said
    assert "the first call of a run may take 1,000 tokens and $0.0011. Start another chat" in said


@pytest.mark.parametrize("is_terminal", [True, False])
def test_an_answer_is_shown_as_it_comes_on_a_terminal(cli, write, monkeypatch, is_terminal):
    """There the model is asked to stream, and the answer stands once, whole; into a pipe nothing is streamed."""
    made = Speaking([{"mood": "calm", "answer": "a kangaroo"}])
    monkeypatch.setattr(registry, "resolve", lambda name: made)
    if is_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    source = TALK.replace("(Ticket.answer, Ticket.mood)", "(Ticket.mood, Ticket.answer)")

    result = cli.invoke(app, ["chat", write(source)], input="one\n")

    assert result.exit_code == 0, result.output
    assert [is_terminal] == made.heard
    assert "a kangaroo\n" in result.stdout


def test_an_answer_that_is_cut_off_is_struck_out(cli, write, monkeypatch):
    """What was shown of it is marked as withdrawn, and the default answer is not joined to it."""
    lost = CallFailed("disconnected", unsent=False, transient=True)
    made = Speaking([{"mood": "calm", "answer": "a kangaroo!"}], fails={1: lost})
    monkeypatch.setattr(registry, "resolve", lambda name: made)
    monkeypatch.setenv("FORCE_COLOR", "1")
    source = TALK.replace("(Ticket.answer, Ticket.mood)", "(Ticket.mood, Ticket.answer)")

    result = cli.invoke(app, ["chat", write(source)], input="one\n")

    assert "withdrawn: a kangaroo" in result.stdout
    assert "Later." in result.stdout


def test_a_run_that_waits_is_answered_by_the_next_line(cli, write, model):
    """A question with one text is answered by a line; one with a choice alone is asked for it; and the run goes on."""
    made, lines = model
    lines.append({"answer": "Blue."})

    result = cli.invoke(app, ["chat", write(HUMAN)], input="which\nthe colour\nso\nmaybe\nso\nyes\n/quit\n")

    assert result.exit_code == 0, result.output
    assert "waits in back" in result.stdout
    assert "What do you mean?" in result.stdout
    assert "fsm-orch: " in result.stderr  # "maybe" is no handoff
    assert "Blue." in result.stdout
    assert "ended in said" in result.stdout
    assert "the colour" in made.requests[0].messages[-1].content


def test_what_it_cannot_do_is_told(cli, write, model):
    """A context that no line fills is told once for a line, and the conversation goes on."""
    source = TALK.replace("query: str\n", "query: str\n        other: str\n").replace(
        "reads=Ticket.query", "reads=(Ticket.query, Ticket.other)"
    )

    result = cli.invoke(app, ["chat", write(source)], input="one\n")
    assert (0, 1) == (result.exit_code, result.stderr.count("only required str field")), result.output

    assert 2 == cli.invoke(app, ["chat", "no_such_module"]).exit_code


def test_an_interrupt_ends_it(cli, write, model, monkeypatch):
    """Ctrl-C at the prompt ends the conversation with a line and the exit code of an interrupt."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("rich.console.Console.input", interrupted)
    result = cli.invoke(app, ["chat", write(TALK)])

    assert (130, "fsm-orch: Interrupted: the conversation is over\n") == (result.exit_code, result.stderr)


def test_the_end_of_the_input_ends_it_in_the_middle_of_a_form(cli, write, model):
    """A conversation whose input ends where a field is asked for has ended as any other."""
    result = cli.invoke(app, ["chat", write(HUMAN)], input="one\ntwo\nyes\n")

    assert "handoff [yes/no]" in result.stdout
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_line_that_is_no_text_is_read_as_far_as_it_is(cli, write, model):
    """Bytes in another encoding end no conversation that is paid for."""
    made, lines = model
    lines += [{"answer": "First.", "mood": "cross"}]
    result = cli.invoke(app, ["chat", write(TALK)], input=b"th\xe9\n")

    assert result.exit_code == 0, result.output
    assert "th\ufffd" in made.requests[0].messages[-1].content
