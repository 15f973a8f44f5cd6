"""A machine that answers in words, and whole runs of it as somebody follows them, with the text while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fsm_orch import CallFailed, Context, Final, Limits, LLMAgent, Machine, Runner, RunResult, State, TextDelta, guard
from fsm_orch.kernel.records import Record
from fsm_orch.models.base import OnPiece, Request, Response
from fsm_orch.run.following import Followed, Numbered
from fsm_orch.testing import AdversarialModel, Tape


class Talk(Context):
    """A question."""

    text: str
    sure: bool = False
    secret: str = "not to be shown"
    answer: str | None = None


@guard
def is_sure(talk: Talk) -> bool:
    """Read one field."""
    return talk.sure


class Talks(Machine[Talk]):
    """Route a question, and answer it in words."""

    triage = State(LLMAgent("Route.", reads=Talk.text, writes=Talk.sure), initial=True, max_visits=2)
    reply = State(
        LLMAgent("Answer.", reads=Talk.text, writes=(Talk.sure, Talk.answer), calls=3, max_output_tokens=400),
        max_visits=2,
    )
    done, checked = Final(), Final()
    other = Final(sets={Talk.answer: "Ask a colleague."})
    human = Final(fallback=True, sets={Talk.answer: "Somebody will get back to you."})
    go = triage.to(reply, "a question")
    give_up = triage.to(human, "nonsense")
    finish = reply.to(done, "it is answered")
    surely = reply.to(checked, "it is sure", guard=is_sure)
    aside = reply.to(other, "a colleague knows")
    back = reply.to(triage, "it is no question")
    limits = Limits(hops=6, tokens=30_000)


ANSWERS = ("We open at nine.", "We", "Wé öpen 🕘", "We open at nine. Come in!")
ROUTING, ANSWERING = ("go", "go", "go", "give_up"), ("finish", "finish", "finish", "surely", "aside", "back")
"""What an adversary proposes in each state, when it behaves."""

ROUTED = {"handoff": "go", "sure": False}
"""What a model says in its first state."""


def said(answer: str, handoff: str = "finish") -> dict[str, Any]:
    """Return what a model says in its second state."""
    return {"handoff": handoff, "sure": True, "answer": answer}


class Telling(AdversarialModel):
    """An adversary that tells its replies in pieces, and sometimes breaks off, or gives another reply than it told."""

    def __init__(self, tape: Tape) -> None:
        super().__init__(tape, machine=Talks, one_in=10)

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        handoffs = ANSWERING if "answer" in str(request.schema) else ROUTING
        self._values = {"answer": ANSWERS, "handoff": handoffs, "sure": [True]}
        response = await super().complete(request)
        text = response.text
        while text and on_text is not None:
            if self._tape.chance(12):
                raise CallFailed("disconnected", unsent=False, transient=True)
            size = 1 + self._tape.below(12)
            on_text(text[:size])
            text = text[size:]
        return response


async def followed(model: Any, text: str = "hi") -> tuple[list[Followed], RunResult[Talk]]:
    """Run; return what somebody who follows the run is given, and its result."""
    async with Runner(Talks, model=model).stream(Talk(text=text)) as stream:
        return numbered([event async for event in stream]), await stream.result()


def numbered(events: Sequence[Record | TextDelta]) -> list[Followed]:
    """Return what happened in a run with the numbers of its records."""
    given, number = list[Followed](), 0
    for event in events:
        if isinstance(event, TextDelta):
            given.append(event)
        else:
            number += 1
            given.append(Numbered(number, event))
    return given
