"""What can be said about a code of findings before anybody has written a machine."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...errors import Level

FAMILIES: Mapping[str, str] = {
    "1": "definition",
    "2": "landing",
    "3": "bounds",
    "4": "policies",
    "5": "prompts",
    "6": "imports",
}
"""By the first digit of a code."""

SETTING = """\
from fsm_orch import *


class Ticket(Context):
    query: str
    paid: bool
    urgent: bool
    answer: str | None = None


@guard
def is_paid(ticket: Ticket) -> bool:
    return ticket.paid


@guard
def is_urgent(ticket: Ticket) -> bool:
    return ticket.urgent


def work(visit: Visit[Ticket]):
    return None
"""
"""The lines that stand above every example, but those of imports."""

IMPORT_SETTING = """\
from typing import Literal, TypedDict

from agents import Agent, ModelSettings, RunContextWrapper, function_tool, handoff
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send


class Notes(TypedDict):
    query: str


def work(notes: Notes) -> Notes:
    return notes


def choose(notes: Notes) -> str:
    return notes["query"]


@function_tool
def search(words: str) -> str:
    return words


def is_day(context: RunContextWrapper[None], agent: object) -> bool:
    return True


graph = StateGraph(Notes)
"""
"""The lines that stand above the examples of imports, which are of other frameworks; `triage` or `graph` is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of finding. A rule that finds one adds where, and what exactly came."""

    code: str
    """Stable and never used twice, such as `FSM105`; its first digit is its family."""
    title: str
    problem: str
    """One sentence, in general words."""
    why: str
    """What goes wrong without it, in a sentence or two."""
    expected: str
    """What would be accepted."""
    fix: str
    """What to change."""
    mending: str
    """An example, and how it is mended: of its lines `- ` raise the finding, `+ ` mend it, and the others stay."""
    levels: tuple[Level, ...] = ("error",)
    """The usual one first."""
    found: Literal["build", "check", "import"] = "build"
    """Whether the class does not build, or `fsm-orch check` or `fsm-orch import` finds it."""
    options: tuple[str, ...] = ()
    """What `fsm-orch check` is asked, to find it in the example."""

    @property
    def family(self) -> str:
        """The name of its family."""
        return FAMILIES[self.code[3]]

    @property
    def diff(self) -> str:
        """The example and its mended form in one, as a diff."""
        return textwrap.dedent(self.mending).strip("\n")

    @property
    def example(self) -> str:
        """A few lines of a user that raise it."""
        return self._without("+")

    @property
    def mended(self) -> str:
        """The same lines, mended."""
        return self._without("-")

    def _without(self, mark: str) -> str:
        return "\n".join(line[2:] for line in self.diff.splitlines() if not line.startswith(mark))
