"""Effects: what the runner must do next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallAgent:
    """The agent of the state must act."""

    state: str
    attempt: int
    """Counts from 1 within the visit."""
    key: str
    """The idempotency key: the same for every attempt of a visit."""


@dataclass(frozen=True, slots=True)
class AwaitHuman:
    """A human must answer; the run is not active meanwhile."""

    question: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The run has ended."""


@dataclass(frozen=True, slots=True)
class ForChild:
    """An effect that is due in a child."""

    call: int
    effect: Effect


Effect = CallAgent | AwaitHuman | Finish | ForChild
