"""Research: a model plans which sources to read, all are read at once, a model writes, and a critic may send it back.

    plan       a model chooses among the sources
    settle     code takes each of them once, and all of them if the plan names none
    gather     one run for each source, all at once, each with its own time (`machines/manuals.py`)
    write      a model answers from the notes, and from what the critic said of its last draft
    quote      code quotes the best note instead, if the model fails
    critic     another model accepts the draft, or says what is wrong and sends it back, twice at most
    published, given_up

The pattern is a map over what a model planned, then a loop with a judge. Do not use it where one prompt holds all the
sources: that is one call. And where code can judge, let code do it (`machines/coding.py`): a critic is a model, and
may accept what is wrong. The local model is too small for it: its plan is empty, half of its drafts are cut off, so
that code quotes, and as a critic it says "not in the sources", and accepts.

Proved of every run: nothing is published unless the critic accepted it, and it sends back at most twice.

    fsm-orch check machines.research
    fsm-orch run machines.research "What does the with statement do?"
"""

from __future__ import annotations

from typing import Literal

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Map, Preset, State, Visit, at_most, guard, never
from fsm_orch.agents import Changes
from machines.manuals import NOTHING, SOURCES, Page, Source, read, words


class Report(Context):
    """What somebody wants to know, what the sources say of it, and what is made of that."""

    question: str
    sources: Preset[tuple[Source, ...]] = ()
    notes: tuple[str, ...] = ()
    draft: str | None = None
    remark: Preset[Literal["", "good", "off the topic", "too vague", "not in the sources"]] = ""


@guard
def is_found(report: Report) -> bool:
    return any(note != NOTHING for note in report.notes)


def settle_plan(visit: Visit[Report]) -> Changes:
    """Take each source of the plan once; all of them if it names none, or if there is no plan."""
    return {Report.sources: tuple(dict.fromkeys(visit.context.sources)) or SOURCES}


def quote_best(visit: Visit[Report]) -> Changes:
    """Quote the note that shares the most words with the question."""
    wanted = words(visit.context.question)
    return {Report.draft: max(visit.context.notes, key=lambda note: len(wanted & words(note)))}


class Research(Machine[Report]):
    """Answer a question from several sources, and publish what a critic accepts."""

    plan = State(
        LLMAgent(
            "Choose the sources that can answer the question.",
            does="choose sources",
            must_not="answer the question",
            reads=Report.question,
            writes=Report.sources,
            max_output_tokens=64,
        ),
        initial=True,
        timeout_s=30,
    )
    settle = State(settle_plan, reads=Report.sources, writes=Report.sources, repeatable=True)
    gather = State(
        Map(
            State(read, reads=(Page.source, Page.question), writes=Page.note, timeout_s=5, repeatable=True),
            over=Report.sources,
            item=Page.source,
            into=Report.notes,
            result=Page.note,
            most=len(SOURCES),
        )
    )
    write = State(
        LLMAgent(
            "Answer the question in one short sentence, from the notes alone.",
            does="write answers",
            reads=(Report.question, Report.notes, Report.remark),
            writes=Report.draft,
            max_output_tokens=120,
        ),
        max_visits=3,  # the first draft, and two that were sent back
        timeout_s=60,
    )
    quote = State(quote_best, reads=(Report.question, Report.notes), writes=Report.draft, repeatable=True)
    critic = State(
        LLMAgent(
            "Judge whether the draft answers the question, and whether the notes bear it out.",
            does="judge drafts",
            must_not="write answers",
            reads=(Report.question, Report.notes, Report.draft),
            writes=Report.remark,
            max_output_tokens=48,
        ),
        timeout_s=60,
    )
    published = Final()
    given_up = Final(fallback=True, sets={Report.draft: "The sources that we have do not answer this."})

    planned = plan >> settle >> gather
    found, nothing = gather.to(write, guard=is_found), gather.to(given_up)
    written, quoted = write >> critic, quote >> critic
    cannot_plan, cannot_write = plan.on_failure(settle), write.on_failure(quote)
    accept = critic.to(published, "the draft answers the question")
    send_back = critic.to(write, "the draft does not answer the question")
    never_good = critic.on_refusal(given_up)  # when nothing is left to send back, the critic need not accept

    limits = Limits(hops=12, tokens=29_808, deadline_s=300)
    policies = (never(published).before(accept), at_most(2, send_back))
