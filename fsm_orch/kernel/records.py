"""Records: what the kernel made of an input. Users see, stream and log them as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, TypeAdapter

from ..amounts import Usage
from ..limits import Limits
from .reasons import DenialReason, FailureReason, LandingReason, RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where and when a record was made, and how the ledger stood after it."""

    run_id: str
    thread_id: str | None
    trace_id: str
    at: float
    state: str
    agent: str | None
    """None in a final state."""
    hops: int
    settled: int
    """Tokens."""
    reserved: int
    """Tokens."""
    remaining: int
    """Tokens that are neither settled nor reserved."""
    ahead: int
    """Tokens that the run may be charged at most beyond these; `settled + reserved + ahead` never rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(_Record):
    """A run began."""

    machine: str
    digest: str
    limits: Limits
    kind: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitStarted(_Record):
    """A state was entered, and its menu drawn."""

    visits: int
    """How often this state has been visited in this run, this visit included."""
    granted: int
    """Tokens reserved for the first call."""
    legal: tuple[str, ...]
    kind: Literal["visit_started"] = "visit_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReserved(_Record):
    """A call was reserved."""

    call: int
    input_tokens: int
    output_tokens: int
    kind: Literal["call_reserved"] = "call_reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDenied(_Record):
    """A call was not reserved; nothing was sent."""

    call: int
    reason: DenialReason
    kind: Literal["call_denied"] = "call_denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettled(_Record):
    """A call ended and was charged."""

    call: int
    usage: Usage | None
    """None: unknown, and the whole reservation was charged."""
    tokens: int
    cost: int
    """Micro-dollars."""
    overrun: int
    """Tokens beyond the reservation."""
    kind: Literal["call_settled"] = "call_settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReleased(_Record):
    """A call provably cost nothing; its reservation was released."""

    call: int
    kind: Literal["call_released"] = "call_released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(_Record):
    """A reply was not accepted; the context is as it was."""

    handoff: str | None
    reason: RefusalReason
    detail: str
    is_repaired: bool
    """Whether the agent is asked again."""
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRaised(_Record):
    """A guard raised, which counts as false."""

    handoff: str
    detail: str
    kind: Literal["guard_raised"] = "guard_raised"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(_Record):
    """An attempt raised, took too long, or was denied a call."""

    reason: FailureReason
    detail: str
    is_retried: bool
    kind: Literal["attempt_failed"] = "attempt_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOff(_Record):
    """A handoff was taken, and its changes committed."""

    handoff: str
    source: str
    target: str
    messages: int
    """How many messages were committed with it."""
    written: tuple[str, ...]
    """The fields that were committed with it."""
    kind: Literal["handed_off"] = "handed_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed(_Record):
    """The run was moved to the fallback."""

    source: str
    target: str
    reason: LandingReason
    detail: str
    kind: Literal["landed"] = "landed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWaiting(_Record):
    """The run waits for a human, and is not active."""

    question: str
    kind: Literal["run_waiting"] = "run_waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(_Record):
    """The human answered."""

    kind: Literal["run_resumed"] = "run_resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRecord(_Record):
    """Something happened in a child machine."""

    call: int
    record: Record
    kind: Literal["child_record"] = "child_record"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(_Record):
    """The run ended in a final state."""

    landing: LandingReason | None
    kind: Literal["run_finished"] = "run_finished"


Record = Annotated[
    RunStarted
    | VisitStarted
    | CallReserved
    | CallDenied
    | CallSettled
    | CallReleased
    | Refused
    | GuardRaised
    | AttemptFailed
    | HandedOff
    | Landed
    | RunWaiting
    | RunResumed
    | ChildRecord
    | RunFinished,
    Discriminator("kind"),
]


RECORDS: TypeAdapter[Record] = TypeAdapter(Record, config=ConfigDict(defer_build=True))
"""The adapter that writes a record as JSON and reads it back. Built on first use: it takes 40 ms."""
