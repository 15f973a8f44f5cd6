"""Research: several sources are read at once, a model writes, and a critic may send the draft back twice.

    gather     three branches at once, each with its own time: the language, the library, the built-in functions
    write      a model answers from what they found, and from what the critic said of its last draft
    quote      code quotes the sources instead, if the model fails
    critic     another model accepts the draft, or says what is wrong and sends it back
    published, given_up

The sources are those that come with Python, so every answer can be looked up:

    fsm-orch run machines.research "What does the with statement do?"

That nothing is published unless the critic accepted it, and that it sends back at most twice, is proved of every run.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Iterable
from pydoc_data.topics import topics
from typing import Literal

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Parallel, Preset, State, Visit, at_most, never
from fsm_orch.agents import Changes


class Report(Context):
    """What somebody wants to know, what the sources say of it, and what is made of that."""

    question: str
    language: str | None = None
    library: str | None = None
    functions: str | None = None
    draft: str | None = None
    remark: Preset[Literal["", "good", "off the topic", "too vague", "not in the sources"]] = ""


def in_language(visit: Visit[Report]) -> Changes:
    """Search the reference of the language."""
    return {Report.language: best(visit.context.question, topics.items())}


def in_library(visit: Visit[Report]) -> Changes:
    """Search what the modules of the standard library say of themselves, as far as they are loaded."""
    loaded = [(name, module) for name, module in list(sys.modules.items()) if name in sys.stdlib_module_names]
    return {Report.library: best(visit.context.question, ((name, module.__doc__ or "") for name, module in loaded))}


def in_functions(visit: Visit[Report]) -> Changes:
    """Search what the built-in functions and classes say of themselves."""
    told = ((name, getattr(builtins, name).__doc__ or "") for name in dir(builtins) if name[0] != "_")
    return {Report.functions: best(visit.context.question, told)}


def best(question: str, told: Iterable[tuple[str, str]]) -> str:
    """Return the beginning of the text that shares the most words with a question; its title counts twice."""
    wanted = words(question)

    def score(entry: tuple[str, str]) -> int:
        return 2 * len(wanted & words(entry[0])) + len(wanted & words(entry[1][:2_000]))

    title, text = max(told, key=score)
    return f"{title}: {' '.join(text.split())[:240]}" if score((title, text)) else "nothing"


def words(text: str) -> set[str]:
    """Return the longer words of a text, in lower case, without those that every question has."""
    return set(re.findall(r"[a-z_]{4,}", text.casefold())) - {"does", "what", "when", "this"}


def quote_best(visit: Visit[Report]) -> Changes:
    """Quote the source that shares the most words with the question."""
    report = visit.context
    sources = [str(report.language), str(report.library), str(report.functions)]
    return {Report.draft: max(sources, key=lambda source: len(words(report.question) & words(source)))}


SOURCES = (Report.question, Report.language, Report.library, Report.functions)


class Research(Machine[Report]):
    """Answer a question from several sources, and publish what a critic accepts."""

    gather = State(
        Parallel(
            State(in_language, reads=Report.question, writes=Report.language, timeout_s=5, repeatable=True),
            State(in_library, reads=Report.question, writes=Report.library, timeout_s=5, repeatable=True),
            State(in_functions, reads=Report.question, writes=Report.functions, timeout_s=5, repeatable=True),
        ),
        initial=True,
    )
    write = State(
        LLMAgent(
            "Answer the question in one short sentence, from the sources alone.",
            does="write answers",
            reads=(*SOURCES, Report.remark),
            writes=Report.draft,
            max_output_tokens=120,
        ),
        max_visits=3,  # the first draft, and two that were sent back
        timeout_s=60,
    )
    quote = State(quote_best, reads=SOURCES, writes=Report.draft, repeatable=True)
    critic = State(
        LLMAgent(
            "Judge whether the draft answers the question.",
            does="judge drafts",
            must_not="write answers",
            reads=(Report.question, Report.draft),
            writes=Report.remark,
            max_output_tokens=48,
        ),
        timeout_s=60,
    )
    published = Final()
    given_up = Final(fallback=True, sets={Report.draft: None})

    flow = gather >> write >> critic
    quoted = quote >> critic
    accept = critic.to(published, "the draft answers the question")
    send_back = critic.to(write, "the draft does not answer the question")
    cannot_write = write.on_failure(quote)
    never_good = critic.on_refusal(given_up)  # when nothing is left to send back, the critic need not accept

    limits = Limits(hops=10, tokens=25_584, deadline_s=300)
    policies = (never(published).before(accept), at_most(2, send_back))
