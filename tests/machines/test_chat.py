"""A conversation as one run: it waits for each message, and is bounded, proved and stored as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.errors import AnswerError
from fsm_orch.proof import prove
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.testing import TheoremChecker
from machines.chat import Chat, Talk


def said(text: str, handoff: str = "more") -> dict[str, Any]:
    return {"handoff": handoff, "said": text}


def test_the_whole_conversation_is_bounded() -> None:
    """What is certified of all messages together is what the worst run explored takes, and it fits the limit."""
    bounds, explored = certify(Chat.definition).bounds, explore(Chat.definition)

    assert explored.is_complete
    assert (5 * 2 * 1_350, 10, 15) == tuple(bounds[measure].bound for measure in ("tokens", "calls", "hops"))
    measures = explored.measures
    assert (5 * 2 * 1_350, 10, 15) == (measures.tokens.amount, measures.calls.amount, measures.hops.amount)
    assert ["holds"] * 3 == [judged.verdict for judged in prove(Chat).exploration.policies]


async def test_a_person_talks() -> None:
    """Each message goes on where the run waits: in another process too, and the model sees what was said before."""
    store, model = MemoryStore(), ScriptedModel([{"answer": f"a{number}"} for number in range(9)])
    result = await Runner(Chat, model=model, store=store).run(Talk(said="m0"), run_id="r")
    for number in range(1, 3):
        assert ("waiting", f"a{number - 1}") == (result.status, result.context.answer)
        result = await Runner(Chat, model=model, store=store).resume("r", said(f"m{number}"))
    ended = await Runner(Chat, model=model, store=store).resume("r", said("bye", "goodbye"))

    assert (Chat.ended, None) == (ended.state, ended.landing)
    assert ("m0 -> a0", "m1 -> a1", "m2 -> a2") == ended.context.earlier
    assert "m0 -> a0" in model.requests[1].messages[-1].content
    TheoremChecker(Runner(Chat, model=model).compiled).follow_all(ended.journal)


async def test_after_five_answers_only_goodbye_is_left() -> None:
    """When the visits are used up the form offers no more, and an answer that wants more is refused."""
    store, model = MemoryStore(), ScriptedModel([{"answer": "so"} for _ in range(9)])
    runner = Runner(Chat, model=model, store=store)
    result = await runner.run(Talk(said="m"), run_id="r")
    for _ in range(4):
        result = await runner.resume("r", said("m"))

    assert ["goodbye", "none_of_these"] == result.waiting[0].form["properties"]["handoff"]["enum"]
    with pytest.raises(AnswerError):
        await runner.resume("r", said("m"))
    assert Chat.ended is (await runner.resume("r", said("bye", "goodbye"))).state
