"""Keyword agents: whole words, and a declared way out when words do not decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import Context, DefinitionError, Final, KeywordAgent, Machine, Runner, State, Visit


class Question(Context):
    """A text."""

    text: str


def rest(visit: Visit[Question]) -> None:
    """Do nothing."""


class Desk(Machine[Question]):
    """Sends questions on by their words."""

    returns = State(rest)
    prices = State(rest)
    triage = State(
        KeywordAgent(
            Question.text,
            {returns: ("return", "send back"), prices: ("price", "how much", "c++")},
            otherwise=(human := Final(fallback=True)),
        ),
        initial=True,
    )
    done = Final()
    to_returns = triage.to(returns)
    to_prices = triage.to(prices)
    to_human = triage.to(human)
    finish = (returns | prices).to(done)


RUNNER = Runner(Desk)


def first_target(text: str) -> str:
    return RUNNER.run_sync(Question(text=text)).path[0].target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("I want to RETURN it", "returns"),
        ("can I send   back this?", "returns"),
        ("what is the price?", "prices"),
        ("how\nmuch", "prices"),
        ("is c++ sold here", "prices"),
        ("returning customers", "human"),
        ("pricey", "human"),
        ("the price of a return", "human"),
        ("", "human"),
        ("hello", "human"),
    ],
)
def test_whole_words_decide_and_nothing_else(text: str, target: str) -> None:
    """One state's words lead to it; none, or those of two, lead to the declared way out."""
    assert target == first_target(text)


@given(st.text(alphabet="abc ", max_size=12), st.text(alphabet="abc ", max_size=12))
def test_words_match_wherever_they_stand(before: str, after: str) -> None:
    """What stands around a word, apart from letters touching it, does not matter."""
    assert first_target(f"{before} return {after}") == "returns"


@pytest.mark.parametrize("words", [(), ("",), ("ok", " ")])
def test_blank_words_are_refused(words: tuple[str, ...]) -> None:
    """A state without words, or with a blank one, would match nothing or everything."""
    with pytest.raises(ValueError, match="give at least one, none of them blank"):
        KeywordAgent(Question.text, {Final(): words}, otherwise=Final())


def test_each_route_needs_exactly_one_handoff() -> None:
    """A state it routes to without a handoff there is a finding, not a surprise."""
    with pytest.raises(DefinitionError, match="FSM121") as error:

        class Loose(Machine[Question]):
            """Routes to nowhere."""

            done = Final()
            human = Final(fallback=True)
            triage = State(KeywordAgent(Question.text, {done: ("ok",)}, otherwise=human), initial=True)
            finish = triage.to(done)

    assert "routes to <Final human>, to which no handoffs lead" in str(error.value)
