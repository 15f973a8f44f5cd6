"""Human agents: the form of a state, what an answer may be, and what it leads to."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from fsm_orch import Context, Final, HumanAgent, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.agents.human import as_answer
from fsm_orch.errors import AnswerError, ContextError


class Claim(Context):
    """What somebody is asked about."""

    query: str
    cents: Annotated[int, Field(ge=0)] | None = None
    level: Literal["low", "high"] | None = None
    answer: str | None = None


def rest(visit: Visit[Any]) -> None:
    """Do nothing."""


class Desk(Machine[Claim]):
    """Ask twice at most, and go on."""

    ask = State(
        HumanAgent("How much?", reads=Claim.query, writes=(Claim.cents, Claim.level)), initial=True, max_visits=2
    )
    look = State(rest, max_visits=1)
    done, human = Final(), Final(fallback=True)
    pay = ask.to(done, "pay it")
    check = ask.to(look, "look into it first")
    again = look.to(ask)


class Read(Machine[Claim]):
    """Ask without a choice, and without a field."""

    ask = State(HumanAgent("Read this.", reads=Claim.query), initial=True)
    done, human = Final(), Final(fallback=True)
    flow = ask >> done


YES = {"handoff": "pay", "cents": 5, "level": "low"}
CHECK = {**YES, "handoff": "check"}


async def asked(machine: type[Machine[Claim]] = Desk) -> tuple[Runner[Claim, None], str, Any]:
    """Run until somebody is asked; gives the runner, the run and the question."""
    runner = Runner(machine, store=MemoryStore())
    result = await runner.run(Claim(query="a broken cup"))
    return runner, result.run_id, result.waiting[0]


async def test_the_form_is_that_of_a_model() -> None:
    """A human is asked for the same fields from the same menu, and told what each handoff means."""
    _, _, question = await asked()
    properties = question.form["properties"]

    assert list(properties) == ["handoff", "cents", "level"]
    assert properties["handoff"]["enum"] == ["pay", "check"]
    assert properties["handoff"]["description"] == "pay: pay it; check: look into it first"
    assert (question.text, question.shown) == ("How much?", {"query": "a broken cup"})


async def test_where_an_exit_is_used_up_the_form_forces_no_other() -> None:
    """Where visits have closed an exit the form offers to take none, and that lands the run as declined."""
    runner, run_id, _ = await asked()
    again = await runner.resume(run_id, CHECK)
    menu = again.waiting[0].form["properties"]["handoff"]

    assert again.path[-1].target == "ask"
    assert menu["enum"] == ["pay", "none_of_these"]
    assert menu["description"] == "pay: pay it; none_of_these: none of these fits"
    result = await runner.resume(run_id, {"handoff": "none_of_these"})
    assert result.landing is not None
    assert result.landing.reason == "declined"


async def test_a_question_without_a_choice_takes_any_answer() -> None:
    """Where there is nothing to fill in, whatever is answered lets the run go on."""
    runner, run_id, question = await asked(Read)

    assert question.form == {}
    assert (await runner.resume(run_id, "read")).state is Read.done


@pytest.mark.parametrize(
    "answer",
    [
        {"handoff": "pay", "cents": 5},
        {"handoff": "pay", "cents": -1, "level": "low"},
        {"handoff": "pay", "cents": "5", "level": "low"},
        {**YES, "more": 1},
        {**YES, "handoff": "again"},
        {**YES, "handoff": None},
        {"cents": 5, "level": "low"},
        {**YES, "cents": True},
        [YES],
        "pay",
        None,
        3,
    ],
)
async def test_what_does_not_fit_is_asked_again(answer: object) -> None:
    """An answer that does not fit its fields, or names no handoff, changes nothing."""
    runner, run_id, _ = await asked()

    with pytest.raises(AnswerError, match=r"fit|JSON|object"):
        await runner.resume(run_id, answer)
    assert (await runner.resume(run_id, YES)).state is Desk.done


async def test_a_bare_word_is_told_what_an_answer_looks_like() -> None:
    """The names of its fields, and a handoff, so that the next one fits."""
    runner, run_id, _ = await asked()

    with pytest.raises(AnswerError) as told:
        await runner.resume(run_id, "pay")

    says = 'An answer is an object, not a str, such as {"cents": ..., "level": ..., "handoff": "pay"};'
    assert says in str(told.value)


async def test_none_of_these_is_an_answer() -> None:
    """Whoever takes none of the handoffs lands the run, and is not asked again."""
    runner, run_id, _ = await asked()
    result = await runner.resume(run_id, {"handoff": "none_of_these"})

    assert result.landing is not None
    assert (result.state, result.landing.reason) == (Desk.human, "declined")


@pytest.mark.parametrize(
    ("given", "json"),
    [
        (Desk.pay, {"handoff": "pay"}),
        ({"handoff": Desk.pay, Claim.cents: 5}, {"handoff": "pay", "cents": 5}),
        ({"handoff": "pay", "cents": Decimal("5.5")}, {"handoff": "pay", "cents": "5.5"}),
        ("text", "text"),
        (True, True),
        (None, None),
        ([1, "a"], [1, "a"]),
    ],
)
def test_an_answer_is_written_as_users_write_replies(given: object, json: object) -> None:
    """Handoffs and fields stand for their names, and all else is JSON as it is."""
    assert as_answer(given, Desk.ask, Claim) == json


@pytest.mark.parametrize("given", [object(), {"cents": object()}, {3: 4}, {Claim.cents: 1, "cents": 2}])
def test_what_is_no_json_is_no_answer(given: object) -> None:
    """What cannot be kept, or names one field twice, is refused before anything else."""
    with pytest.raises(ContextError):
        as_answer(given, Desk.ask, Claim)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda e: st.lists(e) | st.dictionaries(st.text(), e)
    )
)
def test_no_answer_is_a_decision_by_chance(answer: Any) -> None:
    """Whatever JSON is read as an answer, it is the decision that it says, or a refusal; it never raises."""
    reply = HumanAgent("How much?", writes=Claim.cents).read(Claim, Desk.ask.exits, answer)
    is_decision = isinstance(answer, dict) and answer.get("handoff") in ("pay", "check", "none_of_these")

    assert is_decision or reply.refusal is not None


@pytest.mark.parametrize("question", ["", "  \n"])
def test_a_human_is_asked_something(question: str) -> None:
    """A question that says nothing is an error where it is written."""
    with pytest.raises(ValueError, match="needs a question"):
        HumanAgent(question)


@pytest.mark.parametrize("question", [5, None, ["Pay?"], b"Pay?"])
def test_a_human_is_asked_in_words(question: Any) -> None:
    """What is no text is an error in words, where it is written."""
    with pytest.raises(TypeError, match=r"asks in words, not .*: HumanAgent\('Pay this back\?'\)$"):
        HumanAgent(question)


def test_nobody_passes_a_human_by() -> None:
    """What a definition knows of a human is that one must be asked, and must choose."""
    spec = HumanAgent("How much?", reads=Claim.query, writes=Claim.cents).spec

    assert (spec.kind, spec.asks_human, spec.asks, spec.must_ask, spec.proposes, spec.calls) == (
        "human",
        True,
        1,
        True,
        True,
        0,
    )
