"""The machine of the incident: it answers, asks back, or hands back once; no model makes it turn in circles."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise

import pytest
from support.walked import path

from fsm_orch import CallFailed, Runner, RunResult, ScriptedModel
from fsm_orch.kernel.records import Refused
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from fsm_orch.testing import RoutingSafety, assert_bounded
from machines.incident import FrontDesk, Query

(DEFAULT_ANSWER,) = FrontDesk.ask_back.sets.values()
SPECIALISTS = ("search", "inventory", "pricing")
DONE = {"handoff": "done", "answer": "The red wrap dress."}
BACK = {"handoff": "back", "answer": None}
UNCLEAR = {"handoff": "unclear", "answer": None}

TestFrontDesk = RoutingSafety(FrontDesk).TestCase


async def ask(*script: object) -> tuple[RunResult[Query], int]:
    """Run a vague question with a scripted model; gives the requests it had too."""
    model = ScriptedModel([{"handoff": line} if isinstance(line, str) else line for line in script])  # type: ignore[misc]
    return await Runner(FrontDesk, model=model).run(Query(text="recommend something")), len(model.requests)


@pytest.mark.parametrize("specialist", SPECIALISTS)
async def test_a_specialist_answers(specialist: str) -> None:
    """Triage has a handoff to each specialist, who owns the answer."""
    result, requests = await ask(f"to_{specialist}", DONE)

    assert path(result) == ["triage", specialist, "answered"]
    assert (result.context.answer, result.landing, requests) == (DONE["answer"], None, 2)


@pytest.mark.parametrize(
    "script",
    [
        ["unclear"],
        *([f"to_{name}", UNCLEAR] for name in SPECIALISTS),
        *([f"to_{n}", BACK, "unclear"] for n in SPECIALISTS),
    ],
)
async def test_a_question_about_nothing_is_asked_back(script: list[object]) -> None:
    """Whoever finds that no product is named lets the customer be asked, and nobody is forced to answer."""
    result, requests = await ask(*script)

    assert (result.state, result.landing) == (FrontDesk.ask_back, None)
    assert (result.context.answer, requests) == (DEFAULT_ANSWER, len(script))


async def test_a_triage_that_names_itself_is_asked_once() -> None:
    """The loop of the story is a refused reply: no handoff leads from triage to triage."""
    result, requests = await ask(*["triage", "to_triage"] * 10)

    assert (path(result), requests) == (["triage", "ask_back"], 1)
    assert [record.reason for record in result.records if isinstance(record, Refused)] == ["unknown_handoff"]
    assert (result.context.answer, result.landing and result.landing.reason) == (DEFAULT_ANSWER, "refusal")


async def test_ping_pong_ends_with_the_second_specialist() -> None:
    """Specialists that hand back whatever they get do so once: the second time it is not legal, and the run lands."""
    result, requests = await ask(*["to_search", BACK] * 10)

    assert (path(result), requests) == (["triage", "search", "triage", "search", "ask_back"], 4)
    assert (result.context.answer, result.landing and result.landing.reason) == (DEFAULT_ANSWER, "visits")


async def test_without_the_model_the_customer_is_asked_back() -> None:
    """A provider that is down costs nothing, and the customer hears something all the same."""
    result, _ = await ask(CallFailed("connection", unsent=True))

    assert (result.state, result.charged_tokens) == (FrontDesk.ask_back, 0)
    assert result.context.answer == DEFAULT_ANSWER


def test_the_bill_is_known_before() -> None:
    """No run takes more than two calls of triage and two of a specialist; the policies hold, and nothing is wrong."""
    per_agent = [FrontDesk.definition.states[name].spec.call_limits for name in ("triage", "search")]
    proof = prove(FrontDesk, model="openai:gpt-4o-mini")

    assert proof.bounds.tokens == 2 * sum(call.max_input_tokens + call.max_output_tokens for call in per_agent)
    assert (proof.bounds.calls, proof.bounds.hops) == (4, FrontDesk.limits.hops)
    assert [verdict.verdict for verdict in proof.policies] == ["holds", "holds"]
    assert not [finding for finding in proof.findings if finding.level != "note"]
    assert_bounded(FrontDesk, tokens=2_600, calls=4, hops=4)


@pytest.mark.local
@pytest.mark.parametrize("text", ["recommend something", "how much is the black coat?"])
async def test_the_local_model_comes_to_an_end(text: str) -> None:
    """A real model, which without the machine hands off to itself for ever, ends within the bound."""
    patient = FrontDesk.limits.model_copy(update={"deadline_s": 120.0, "visit_s": 60.0})
    with closing(LocalModel()) as model:
        result = await Runner(FrontDesk, model=model, limits=patient).run(Query(text=text))

    assert result.usage.requests <= 4
    assert result.charged_tokens <= 2_600
    assert not [(a, b) for a, b in pairwise(path(result)) if a == b]
    assert result.context.answer
