"""The research: three sources at once, a model that writes or code that quotes, and a critic with two more tries."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.walked import path

from fsm_orch import CallFailed, Runner, RunResult, ScriptedModel
from fsm_orch.kernel.records import Answered, Asked
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from machines.research import Report, Research

QUESTION = Report(question="What does the with statement do?")
DRAFT = {"draft": "It closes what it opened."}
GOOD, VAGUE = {"handoff": "accept", "remark": "good"}, {"handoff": "send_back", "remark": "too vague"}


async def ask(*script: object) -> tuple[RunResult[Report], ScriptedModel]:
    """Ask one question with a scripted model."""
    model = ScriptedModel(list(script))  # type: ignore[arg-type]
    return await Runner(Research, model=model).run(QUESTION), model


async def test_three_sources_are_read_at_once() -> None:
    """All branches are asked for in one round, each ends well, and their fields are there when it is over."""
    result, _ = await ask(DRAFT, GOOD)
    (asked,) = (record for record in result.records if isinstance(record, Asked))

    assert [wanted.name for wanted in asked.asks] == ["in_language", "in_library", "in_functions"]
    assert [True] * 3 == [record.ok for record in result.records if isinstance(record, Answered)]
    assert result.context.language is not None
    assert result.context.language.startswith("with: ")
    assert result.context.library is not None
    assert result.context.library.startswith("contextlib: ")


async def test_a_good_draft_is_published() -> None:
    """What the critic accepts is published as it was written."""
    result, model = await ask(DRAFT, GOOD)

    assert path(result) == ["gather", "write", "critic", "published"]
    assert (result.context.draft, len(model.requests)) == (DRAFT["draft"], 2)


async def test_a_draft_is_sent_back_twice_at_most() -> None:
    """The third draft is the last: then sending back is not on the menu, and to accept none of the rest is."""
    result, model = await ask(*[DRAFT, VAGUE] * 2, DRAFT, {"handoff": "none_of_these", "remark": "too vague"})
    menu = model.requests[-1].schema

    assert path(result) == ["gather", *["write", "critic"] * 3, "given_up"]
    assert menu is not None
    assert menu["properties"]["handoff"]["enum"] == ["accept", "none_of_these"]
    assert "too vague" in model.requests[2].messages[-1].content
    assert result.context.draft is None


async def test_without_a_writer_the_sources_are_quoted() -> None:
    """If the model fails, code quotes the best source, and the critic judges that."""
    result, _ = await ask(CallFailed("connection", unsent=True), GOOD)

    assert path(result) == ["gather", "write", "quote", "critic", "published"]
    assert result.context.draft == result.context.language


def test_nothing_is_published_unless_it_was_accepted() -> None:
    """Both policies hold of every run, the bill is known, and nothing is left to find."""
    proof = prove(Research)

    assert [verdict.verdict for verdict in proof.policies] == ["holds", "holds"]
    assert (proof.bounds.tokens, proof.bounds.calls) == (Research.limits.tokens, 12)
    assert () == proof.findings


@pytest.mark.local
async def test_the_local_model_comes_to_an_end() -> None:
    """A real model writes and judges; whatever it says, the run ends within its bound, with an answer or without."""
    with closing(LocalModel()) as model:
        result = await Runner(Research, model=model).run(QUESTION)

    assert result.state in (Research.published, Research.given_up)
    assert result.charged_tokens <= Research.limits.tokens
    assert path(result)[:2] == ["gather", "write"]
