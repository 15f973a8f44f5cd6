"""Scripted models: each is asked by an agent which of the offered agents to hand off to, and may answer instead.

The same function plays the model of the plain loop and of the machine, so that only the guards differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Asked(NamedTuple):
    """What a model is asked."""

    agent: str
    """Who asks."""
    offered: Sequence[str]
    """Whom it may hand off to."""
    turn: int
    """How many calls there were before."""


Model = Callable[[Asked], str | None]
"""Whom it hands off to; None if it answers."""


def sure(asked: Asked) -> str | None:
    """Decide as for a clear question: triage finds a specialist, who answers."""
    return "search" if asked.agent == "triage" else None


def confused(times: int) -> Model:
    """Return a model by which triage hands off to itself so many times, if it may, and then decides."""

    def model(asked: Asked) -> str | None:
        goes_round = asked.agent == "triage" and "triage" in asked.offered and asked.turn < times
        return "triage" if goes_round else sure(asked)

    return model


def worst(asked: Asked) -> str | None:
    """Decide as if the question were never one's own: back to triage if that is offered, else on to somebody."""
    return next(name for name in ("triage", "search", "ask_back") if name in asked.offered)


def stubborn(_: Asked) -> str | None:
    """Hand off to triage, whether that is offered or not."""
    return "triage"
