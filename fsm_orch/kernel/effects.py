"""Effects: what the runner must do next."""

from __future__ import annotations

from msgspec import Struct


class CallAgent(Struct, frozen=True, gc=False):
    """The agent of the state must act."""

    state: str
    attempt: int
    """Counts from 1 within the visit."""
    key: str
    """The idempotency key: the same for every attempt of a visit."""


class AwaitHuman(Struct, frozen=True, gc=False):
    """A human must answer; the run is not active meanwhile."""

    question: str


class Finish(Struct, frozen=True, gc=False):
    """The run has ended."""


class ForChild(Struct, frozen=True):
    """An effect that is due in a child."""

    call: int
    effect: Effect


Effect = CallAgent | AwaitHuman | Finish | ForChild
