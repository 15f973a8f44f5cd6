"""Versions of a machine that finds something by code, and answers by models."""

from __future__ import annotations

from typing import Any

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Visit


class Question(Context):
    """What is asked."""

    text: str
    found: str | None = None
    answer: str | None = None


FOUND = list[str]()
"""What was looked for, in order."""


def find(visit: Visit[Question]) -> Any:
    """Find it."""
    FOUND.append(visit.context.text)
    return {Question.found: "it"}


def version(*, has_check: bool = False, prompt: str = "Answer.") -> type[Machine[Question]]:
    """Make a version of a machine that finds something, and answers."""

    class Answers(Machine[Question]):
        """Find, and answer."""

        find = State(find, reads=Question.text, writes=Question.found, initial=True)
        answer = State(LLMAgent(prompt, reads=Question.text, writes=Question.answer))
        done, human = Final(), Final(fallback=True)
        on = find.to(answer)
        if has_check:
            check = State(LLMAgent("Check it twice.", reads=Question.text, writes=Question.answer))
            to_check, end = answer.to(check), check.to(done)
        else:
            end = answer.to(done)
        limits = Limits(tokens=20_000)

    return Answers


ANSWERS = [{"answer": "yes"}, {"answer": "no"}]
"""What models answer, in turn."""
