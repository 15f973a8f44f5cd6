"""The manuals that come with Python, as sources to look things up in: no network, and every answer can be checked.

    look_up("language", "What does the with statement do?")  ->  "with: The "with" statement is used to wrap ..."

A source is a set of entries, each with a title. What is found is the beginning of the entry that shares the most words
with a question. Put your own search in the place of `look_up`: it takes a source and a question, and returns a text.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Iterator
from pydoc_data.topics import topics
from typing import Literal, get_args

from fsm_orch import Context, Visit
from fsm_orch.agents import Changes

Source = Literal["language", "library", "functions"]
SOURCES: tuple[Source, ...] = get_args(Source)

NOTHING = "nothing"
"""What is found where no entry shares two words with the question, or has one in its title."""


class Page(Context):
    """What the run for one source knows."""

    source: Source
    question: str
    note: str | None = None


def read(visit: Visit[Page]) -> Changes:
    """Look the question up in one source."""
    return {Page.note: look_up(visit.context.source, visit.context.question)}


def look_up(source: Source, question: str) -> str:
    """Return the beginning of the entry that shares the most words with a question; its title counts twice."""
    wanted = words(question)

    def score(entry: tuple[str, str]) -> int:
        return 2 * len(wanted & words(entry[0])) + len(wanted & words(entry[1][:2_000]))

    title, text = max(_entries(source), key=score)
    return f"{title}: {_plain(text)[:240]}" if score((title, text)) > 1 else NOTHING


def words(text: str) -> set[str]:
    """Return the longer words of a text, in lower case, without those that every question has."""
    return set(re.findall(r"[a-z_]{4,}", text.casefold())) - {"does", "what", "when", "this"}


def _entries(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the title and the text of each entry of a source."""
    match source:
        case "language":
            yield from topics.items()
        case "library":  # as far as it is loaded
            for name, module in list(sys.modules.items()):
                if name in sys.stdlib_module_names:
                    yield name, module.__doc__ or ""
        case "functions":
            for name in dir(builtins):
                if not name.startswith("_"):
                    yield name, getattr(builtins, name).__doc__ or ""


def _plain(text: str) -> str:
    """Return a text on one line, without its headings, which are underlined."""
    return " ".join(re.sub(r"^.*\n[*=~-]{3,}$", "", text, flags=re.MULTILINE).split())
