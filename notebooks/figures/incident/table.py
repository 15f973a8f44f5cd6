"""Guard by guard: what each makes of the same question, asked of the same agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import count
from typing import Any

from fsm_orch import Machine
from fsm_orch.proof import prove
from machines.incident import FrontDesk

from . import story
from .bill import MODEL, Bill
from .loop import Guards, run
from .models import confused, stubborn, sure, worst
from .ours import play


@dataclass(frozen=True)
class Row:
    """What one setup makes of the question."""

    name: str
    note: str
    bill: Bill
    is_ours: bool = False


@dataclass(frozen=True)
class Bound:
    """What no run of the machine exceeds, proved before any is made."""

    calls: int
    tokens: int
    usd: Fraction

    @property
    def usd_a_day(self) -> Fraction:
        """If every request of a day were the dearest that there can be."""
        return self.usd * story.REQUESTS_A_DAY


@cache
def times_to_itself() -> int:
    """Return how often triage must hand off to itself until a request takes the tokens that the story tells of."""
    return next(n for n in count() if run(confused(n)).tokens >= story.TOKENS_A_REQUEST)


@cache
def seconds_a_call() -> float:
    """Return how long a call takes if the looping request takes the seconds that the story tells of."""
    return story.P99_S / len(run(confused(times_to_itself())).calls)


@cache
def bound() -> Bound:
    """Prove what no run of the front desk exceeds."""
    return bound_of(FrontDesk)


def bound_of(machine: type[Machine[Any]]) -> Bound:
    """Prove what no run of a machine exceeds."""
    proved = prove(machine, model=f"openai:{MODEL}").bounds
    if proved.cost_usd is None:
        raise LookupError(f"genai_prices has no price for {MODEL}: install a version that does")
    return Bound(proved.calls, proved.tokens, Fraction(proved.cost_usd))


GUARDS: Mapping[str, tuple[str, Guards]] = {
    "Self-handoff refused": ("triage and search play ping-pong instead", Guards(refuses_itself=True)),
    "Timeout of 10 s": ("looked at before each call", Guards(timeout_s=10)),
    "Budget of 10,000 tokens": ("looked at after each call", Guards(budget=10_000)),
    "10 turns": ("the default of openai-agents", Guards(max_turns=10)),
    "At most 3 handoffs": ("the breaker of the post-mortem", Guards(max_handoffs=3)),
    "All of these": (
        "the loop, guarded five times",
        Guards(refuses_itself=True, timeout_s=10, budget=10_000, max_turns=10, max_handoffs=3),
    ),
}
"""The guards of the post-mortem and the SDK's own, each with what is said of it in the picture."""


def story_rows() -> Sequence[Row]:
    """Return what happened: a clear question, and the incident."""
    times = times_to_itself()
    return (
        Row("A clear question", "triage finds a specialist", run(sure)),
        Row("The incident", f"{times} times to itself, then a specialist", run(confused(times))),
    )


def guard_rows() -> Sequence[Row]:
    """Return what the worst model does to the loop without a guard, and under each."""
    unguarded = Row("No guard, and no luck", "only the context window ends it", run(worst))
    guarded = (
        Row(name, note, run(worst, guards, seconds_a_call=seconds_a_call())) for name, (note, guards) in GUARDS.items()
    )
    return (unguarded, *guarded)


def our_rows() -> Sequence[Row]:
    """Return what the worst model, and one that insists on itself, do to the machine."""
    return (
        Row("fsm_orch", "declared, bounded, paid in advance", play(worst)[0], is_ours=True),
        Row("fsm_orch, a stubborn model", "triage says triage, and is refused", play(stubborn)[0], is_ours=True),
    )


def as_text(rows: Sequence[Row]) -> str:
    """Write rows as a table of plain text, 76 columns wide at most."""
    head = f"{'guard':26}{'calls':>6}{'tokens':>12}{'$ a day':>12}  the customer gets"
    lines = [
        f"{row.name:26}{len(row.bill.calls):>6,}{row.bill.tokens:>12,}{round(row.bill.usd_a_day):>12,}  {row.bill.end}"
        for row in rows
    ]
    return "\n".join([head, *lines])
