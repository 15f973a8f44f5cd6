"""Pattern by pattern: what it takes to answer, and what it can take at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from fsm_orch import Machine

from ..incident.bill import Bill
from ..incident.table import Bound, bound_of
from . import shop
from .native import as_native, is_of_tools
from .played import Exchange, Uses, play

Kind = Literal["code", "tools", "handoff", "many"]


@dataclass(frozen=True)
class Row:
    """What one pattern made of the question."""

    name: str
    note: str
    kind: Kind
    exchanges: Sequence[Exchange]
    seconds: float
    answer: str
    proved: Bound
    native: Bill | None
    """The same talk with the provider's own tools, which nobody sent; None: no tool was used."""

    @property
    def bill(self) -> Bill:
        """What its calls used."""
        return Bill([one.call for one in self.exchanges], "an answer")

    @property
    def is_half(self) -> bool:
        """Whether only half of the question was answered."""
        return self.answer == shop.HALF


@dataclass(frozen=True)
class Pattern:
    """A machine, and how its model behaves."""

    name: str
    note: str
    kind: Kind
    machine: type[Machine[shop.Query]]
    uses: Uses = "one by one"
    answer: str = shop.ANSWER


PATTERNS = (
    Pattern("Code looks up", "one agent answers", "code", shop.Code),
    Pattern("One agent, one tool", "for all that the shop knows", "tools", shop.OneTool),
    Pattern("One agent, three tools", "one by one", "tools", shop.OneByOne),
    Pattern("One agent, three tools", "all in one reply", "tools", shop.AtOnce, uses="at once"),
    Pattern("An agent as a tool", "one asks another, and answers", "tools", shop.AsTool),
    Pattern("Handoff to a specialist", "code looks up, half an answer", "handoff", shop.Handoff, answer=shop.HALF),
    Pattern("Handoff to a specialist", "who has one tool for all", "handoff", shop.HandoffTool),
    Pattern("Nested", "handoff to a machine: code, one agent", "handoff", shop.InAMachine),
    Pattern("In sequence", "three agents read, a fourth answers", "many", shop.Sequence),
    Pattern("In parallel", "three agents read, a fourth answers", "many", shop.AllAtOnce),
)


@cache
def rows() -> Sequence[Row]:
    """Play each pattern, and prove what it can take at most."""
    return tuple(map(_row, PATTERNS))


def by_machine() -> Mapping[type[Machine[shop.Query]], Row]:
    """Return the rows by the machine that was played."""
    return {pattern.machine: row for pattern, row in zip(PATTERNS, rows(), strict=True)}


def _row(pattern: Pattern) -> Row:
    played = play(pattern.machine, pattern.uses, pattern.answer)
    native = as_native(played.exchanges) if any(map(is_of_tools, played.exchanges)) else None
    told = (pattern.name, pattern.note, pattern.kind)
    return Row(*told, played.exchanges, played.seconds, played.answer, bound_of(pattern.machine), native)


def as_text() -> str:
    """Write rows as a table of plain text, 80 columns wide at most."""
    lines = [f"{'':43}{'calls':>5}{'tokens':>8}{'seconds':>8}{'$ a day':>8}{'proved':>7}"]
    for row in rows():
        taken = f"{len(row.bill.calls):>5}{row.bill.tokens:>8,}{row.seconds:>8.2f}{round(row.bill.usd_a_day):>8,}"
        lines += [row.name, f"  {row.note:41}{taken}{row.proved.tokens:>7,}"]
    return "\n".join(lines)


def native_as_text() -> str:
    """Write what the rows with tools take, and would take by the provider's own, as a table of plain text."""
    lines = [f"{'tokens':54}{'sent':>8}{'native':>8}"]
    lines += [
        f"{row.name + ', ' + row.note:54}{row.bill.tokens:>8,}{row.native.tokens:>8,}" for row in rows() if row.native
    ]
    return "\n".join(lines)
