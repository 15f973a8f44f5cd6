"""Guards, replayed on recorded runs: where each would have stopped a run, and what that saves and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .runs import Recorded


# Each guard returns the number of the first message that it would not have let happen; None: it stops nothing.
def stopped_by_handoffs(run: Recorded, most: int) -> int | None:
    """Stop before handoff `most + 1` from one agent to another."""
    return run.visits[most + 1].first if len(run.visits) > most + 1 else None


def stopped_by_visits(run: Recorded, most: int) -> int | None:
    """Stop before visit `most + 1` of any one agent."""
    made = Counter[str]()
    for visit in run.visits:
        made[visit.agent] += 1
        if made[visit.agent] > most:
            return visit.first
    return None


def stopped_by_cycle(run: Recorded, times: int) -> int | None:
    """Stop before the visit that completes `times` rounds of a cycle of two, three or four agents."""
    agents = [visit.agent for visit in run.visits]
    for end in range(1, len(agents) + 1):
        for length in (2, 3, 4):
            rounds = agents[end - length * times : end] if end >= length * times else []
            if rounds and rounds == rounds[:length] * times:
                return run.visits[end - 1].first
    return None


def stopped_by_tokens(run: Recorded, most: int) -> int | None:
    """Stop before the visit that would bring the tokens of the run above `most`: its length is known beforehand."""
    for visit in run.visits:
        if run.tokens(end=visit.first) + visit.tokens > most:
            return visit.first
    return None


def stopped_by_orchestrator(run: Recorded, times: int) -> int | None:
    """Stop after `times` notes in a row in which the orchestrator itself saw a loop, or no progress."""
    row = 0
    for number, message in enumerate(run.messages[:-1]):
        if message.is_stalled is not None:
            row = row + 1 if message.is_stalled else 0
            if row == times:
                return number + 1
    return None


@dataclass(frozen=True)
class Guard:
    """A guard, with the settings that are tried."""

    words: str
    """What it limits."""
    stop: Callable[[Recorded, int], int | None]
    settings: tuple[int, ...]


GUARDS: Mapping[str, Guard] = {
    "visits": Guard("visits of one agent", stopped_by_visits, (2, 3, 4, 5, 6, 8, 10)),
    "handoffs": Guard("handoffs", stopped_by_handoffs, (5, 6, 8, 10, 12, 16, 20, 30)),
    "cycle": Guard("rounds of a cycle", stopped_by_cycle, (2, 3, 4, 5, 6, 8)),
    "tokens": Guard("tokens", stopped_by_tokens, (2_000, 5_000, 10_000, 15_000, 20_000, 30_000)),
    "orchestrator": Guard("stalls the orchestrator saw", stopped_by_orchestrator, (1, 2, 3)),
}

TOGETHER: Mapping[str, int] = {"handoffs": 12, "visits": 4, "cycle": 3}
"""The strictest settings that a team would dare to put in production, to see what they miss even together."""


@dataclass(frozen=True)
class Effect:
    """What a guard does to all runs; tokens are those of the messages that it stops."""

    setting: int
    stopped: int
    """Runs that it stops."""
    early: int
    """Of these, runs that it stops before their mistake has happened."""
    cut: int
    """Tokens after the mistake that it saves."""
    lost: int
    """Tokens up to the mistake that it cuts off too: work that was still good."""


def effect(runs: Iterable[Recorded], guard: Guard, setting: int) -> Effect:
    """Return what a guard with a setting does to runs."""
    stops = [(run, stop) for run in runs if (stop := guard.stop(run, setting)) is not None]
    return Effect(
        setting=setting,
        stopped=len(stops),
        early=sum(stop <= run.mistake for run, stop in stops),
        cut=sum(run.tokens(max(stop, run.mistake + 1)) for run, stop in stops),
        lost=sum(run.tokens(stop, run.mistake + 1) for run, stop in stops),
    )


def first_stop(run: Recorded, settings: Mapping[str, int] = TOGETHER) -> int | None:
    """Return where the first of several guards stops a run; None if none of them does."""
    stops = [GUARDS[name].stop(run, setting) for name, setting in settings.items()]
    return min((stop for stop in stops if stop is not None), default=None)
