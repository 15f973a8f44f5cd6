"""Research: several sources are read at once, a model writes, and a critic may send the draft back twice.

    gather     three branches at once, each with its own time: the language, the library, the built-in functions
    write      a model answers from what they found, and from what the critic said of its last draft
    critic     another model accepts the draft, or sends it back; not more often than twice
    published, given_up

The sources are those that come with Python, so the answers can be looked up:

    fsm-orch run machines.research "What does the with statement do?"

That nothing is published unless the critic accepted it, and that it sends back at most twice, is proved of every run.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Iterable
from pydoc_data.topics import topics

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Parallel, Preset, State, Visit, at_most, never
from fsm_orch.agents import Changes


class Report(Context):
    """What somebody wants to know, what the sources say of it, and what is made of that."""

    question: str
    language: str | None = None
    library: str | None = None
    functions: str | None = None
    draft: str | None = None
    remark: Preset[str] = ""


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


def words(text: str) -> set[str]:
    """Return the longer words of a text, in lower case."""
    return set(re.findall(r"[a-z]{4,}", text.casefold())) - {"does", "what", "when", "which", "that", "this", "with"}


def best(question: str, told: Iterable[tuple[str, str]], *, most: int = 400) -> str:
    """Return the first characters of the text that shares the most words with a question; a title counts double."""
    wanted = words(question)
    named = set(re.findall(r"\w+", question.casefold()))

    def score(entry: tuple[str, str]) -> int:
        return 2 * (entry[0].casefold() in named) + len(wanted & words(entry[1][:2_000]))

    title, text = max(told, key=score)
    return f"{title}: {' '.join(text.split())[:most]}"


class Research(Machine[Report]):
    """Answer a question from several sources, and publish what a critic accepts."""

    gather = State(
        Parallel(
            State(in_language, reads=Report.question, writes=Report.language, timeout_s=5),
            State(in_library, reads=Report.question, writes=Report.library, timeout_s=5),
            State(in_functions, reads=Report.question, writes=Report.functions, timeout_s=5),
        ),
        initial=True,
    )
    write = State(
        LLMAgent(
            "Answer the question in two sentences, from the sources alone.",
            does="write answers",
            reads=(Report.question, Report.language, Report.library, Report.functions, Report.remark),
            writes=Report.draft,
        ),
        max_visits=3,  # the first draft, and two that were sent back
        timeout_s=30,
    )
    critic = State(
        LLMAgent(
            "Judge whether the draft answers the question, and say in a few words what is missing.",
            does="judge drafts",
            must_not="write answers",
            reads=(Report.question, Report.draft),
            writes=Report.remark,
        ),
        timeout_s=30,
    )
    published = Final()
    given_up = Final(fallback=True, sets={Report.draft: None})

    flow = gather >> write >> critic
    accept = critic.to(published, "the draft answers the question")
    send_back = critic.to(write, "the draft does not answer the question")

    limits = Limits(hops=8, tokens=30_000, deadline_s=120)
    policies = (never(published).before(accept), at_most(2, send_back))
