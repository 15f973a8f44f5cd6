"""The research: sources that a model plans, read at once, a model that writes or code that quotes, and a critic."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.walked import path

from fsm_orch import CallFailed, Runner, RunResult, ScriptedModel
from fsm_orch.kernel.records import Answered, Asked
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from machines.manuals import SOURCES
from machines.research import Report, Research

QUESTION = Report(question="What does the with statement do?")
PLAN = {"sources": ["language", "library", "functions"]}
BEGIN = ["plan", "settle", "gather"]
DRAFT = {"draft": "It closes what it opened."}
GOOD, VAGUE = {"handoff": "accept", "remark": "good"}, {"handoff": "send_back", "remark": "too vague"}


async def ask(*script: object, plan: object = PLAN) -> tuple[RunResult[Report], ScriptedModel]:
    """Ask one question with a scripted model, which plans first."""
    model = ScriptedModel([plan, *script])  # type: ignore[list-item]
    return await Runner(Research, model=model).run(QUESTION), model


async def test_sources_are_read_at_once() -> None:
    """All runs are asked for in one round, each ends well, and their notes stand in the order of the plan."""
    result, _ = await ask(DRAFT, GOOD, plan={"sources": ["library", "language", "library"]})
    (asked,) = (record for record in result.records if isinstance(record, Asked))

    assert [wanted.name for wanted in asked.asks] == ["read"] * 2
    assert [True] * 2 == [record.ok for record in result.records if isinstance(record, Answered)]
    assert result.context.sources == ("library", "language")
    assert [note.partition(": ")[0] for note in result.context.notes] == ["contextlib", "with"]


@pytest.mark.parametrize("plan", [{"sources": []}, CallFailed("connection", unsent=True)])
async def test_without_a_plan_every_source_is_read(plan: object) -> None:
    """A plan that names no source, and a model that cannot be reached, leave nothing unread."""
    result, _ = await ask(DRAFT, GOOD, plan=plan)

    assert path(result) == [*BEGIN, "write", "critic", "published"]
    assert result.context.sources == SOURCES


async def test_a_source_that_does_not_exist_is_not_read() -> None:
    """A plan that names one is refused, and made again."""
    result, model = await ask(PLAN, DRAFT, GOOD, plan={"sources": ["the web"]})

    assert (path(result), len(model.requests)) == ([*BEGIN, "write", "critic", "published"], 4)


async def test_where_nothing_is_found_nothing_is_written() -> None:
    """No model is asked to answer from nothing: the run ends with an answer that says so."""
    model = ScriptedModel([PLAN])
    result = await Runner(Research, model=model).run(Report(question="Who won the cup?"))

    assert (path(result), result.landing) == ([*BEGIN, "given_up"], None)
    assert result.context.draft == "The sources that we have do not answer this."


async def test_a_good_draft_is_published() -> None:
    """What the critic accepts is published as it was written."""
    result, model = await ask(DRAFT, GOOD)

    assert path(result) == [*BEGIN, "write", "critic", "published"]
    assert (result.context.draft, len(model.requests)) == (DRAFT["draft"], 3)


async def test_a_draft_is_sent_back_twice_at_most() -> None:
    """The third draft is the last: then sending back is not on the menu, and to accept none of the rest is."""
    result, model = await ask(*[DRAFT, VAGUE] * 2, DRAFT, {"handoff": "none_of_these", "remark": "too vague"})
    menu = model.requests[-1].schema

    assert path(result) == [*BEGIN, *["write", "critic"] * 3, "given_up"]
    assert menu is not None
    assert menu["properties"]["handoff"]["enum"] == ["accept", "none_of_these"]
    assert "too vague" in model.requests[3].messages[-1].content
    assert result.context.draft == "The sources that we have do not answer this."


async def test_without_a_writer_the_sources_are_quoted() -> None:
    """If the model fails, code quotes the best note, and the critic judges that."""
    result, _ = await ask(CallFailed("connection", unsent=True), GOOD)

    assert path(result) == [*BEGIN, "write", "quote", "critic", "published"]
    assert result.context.draft == result.context.notes[0]


def test_nothing_is_published_unless_it_was_accepted() -> None:
    """Both policies hold of every run, the bill is known, and nothing is left to find."""
    proof = prove(Research)

    assert [verdict.verdict for verdict in proof.policies] == ["holds", "holds"]
    assert (proof.bounds.tokens, proof.bounds.calls) == (Research.limits.tokens, 14)
    assert () == proof.findings


@pytest.mark.local
async def test_the_local_model_comes_to_an_end() -> None:
    """A real model writes and judges; whatever it says, the run ends within its bound, with an answer or without."""
    with closing(LocalModel()) as model:
        result = await Runner(Research, model=model).run(QUESTION)

    assert result.state in (Research.published, Research.given_up)
    assert result.charged_tokens <= Research.limits.tokens
    assert path(result)[:4] == [*BEGIN, "write"]
