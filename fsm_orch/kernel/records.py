"""Records: what the kernel made of an input. Users see, stream and log them as events.

A field with a default is left out of the JSON while it holds that, so that a new one changes no old line.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..amounts import Count, Usage
from ..limits import Limits
from .effects import Path
from .reasons import AskEnd, CallCause, DenialReason, FailureReason, LandingReason, RefusalReason
from .tagged import NO_TIME, Seconds, Tagged

FEW_VISITS = 3
"""A state that is visited more often than this in one run is flagged: agents may be handing off in circles."""


class Stamp(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """Where and when a record was made, and how the ledger stood after it."""

    run_id: str
    thread_id: str | None
    trace_id: str
    at: Seconds
    state: str
    agent: str | None
    """None in a final state."""
    hops: Count
    path: Path
    """The machine in the tree that it is about; `()` is the run itself."""
    settled: Count
    """Tokens."""
    reserved: Count
    """Tokens."""
    remaining: Count
    """Tokens that are neither settled nor reserved."""
    ahead: Count
    """Tokens that the run may be charged at most beyond these; `settled + reserved + ahead` never rises."""
    machine: str = ""
    """The name of the machine that it is about; empty in a record that is older than this field."""
    root: str = ""
    """The name of the machine that the run is of, if it is about one inside it; empty: about the run itself."""


class _Record(Tagged, frozen=True, kw_only=True):
    stamp: Stamp


class RunStarted(_Record, frozen=True, kw_only=True, tag="run_started"):
    """A run began."""

    machine: str
    digest: str
    limits: Limits


class VisitStarted(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="visit_started", gc=False):
    """A state was entered, and its menu drawn."""

    visits: Count
    """How often this state has been visited in this run, this visit included."""
    granted: Count
    """Tokens reserved on entry: for the first call, or for all parts."""
    legal: tuple[str, ...]
    is_frequent: bool = False
    """Whether these are more than three visits of this state in this run."""


class CallReserved(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="call_reserved", gc=False):
    """A call was reserved."""

    call: Count
    input_tokens: Count
    output_tokens: Count
    model: str | None = None
    """The model that is asked, such as `openai:gpt-5-mini`; None: the run is older than its journal's names of them."""
    provider: str | None = None
    """Of the model, such as `openai`; None: its name has none."""
    waited_s: Seconds = NO_TIME
    """How long it waited at a gate before it was reserved; of the first call of an attempt, that attempt's wait too."""


class CallDenied(_Record, frozen=True, kw_only=True, tag="call_denied", gc=False):
    """A call was not reserved; nothing was sent."""

    call: Count
    reason: DenialReason


class CallSettled(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="call_settled", gc=False):
    """A call ended and was charged."""

    call: Count
    usage: Usage | None
    """None: unknown, and the whole reservation was charged."""
    tokens: Count
    cost: Count
    """Micro-dollars."""
    overrun: Count
    """Tokens beyond the reservation."""
    model: str | None = None
    """As `CallReserved` says it."""
    provider: str | None = None
    """As `CallReserved` says it."""
    seconds: Seconds = NO_TIME
    """From its reservation to its end."""
    cause: CallCause | None = None
    """Why it brought no answer; None: it did, or nobody has said."""


class CallReleased(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="call_released", gc=False):
    """A call provably cost nothing; its reservation was released."""

    call: Count
    model: str | None = None
    """As `CallReserved` says it."""
    provider: str | None = None
    """As `CallReserved` says it."""
    seconds: Seconds = NO_TIME
    """From its reservation to its end."""
    cause: CallCause | None = None
    """Why it brought no answer; None: it was not sent at all."""


class Overspent(_Record, frozen=True, kw_only=True, tag="overspent", gc=False):
    """A call used more than it had reserved, which came to be known after it had been charged all of that.

    After the end of a run it is told to observers alone: nothing is charged any more, and no journal holds it.
    """

    source: str
    """The state whose agent made it."""
    visit: Count
    """The hops that had been taken when that visit began."""
    call: Count
    tokens: Count
    """Beyond its reservation."""
    cost: Count
    """Micro-dollars beyond its reservation."""


class Refused(_Record, frozen=True, kw_only=True, tag="refused", gc=False):
    """A reply was not accepted; the context is as it was."""

    handoff: str | None
    reason: RefusalReason
    detail: str
    is_repaired: bool
    """Whether the agent is asked again."""


class GuardRaised(_Record, frozen=True, kw_only=True, tag="guard_raised", gc=False):
    """A guard raised, which counts as false."""

    handoff: str
    detail: str


class AttemptFailed(_Record, frozen=True, kw_only=True, tag="attempt_failed", gc=False):
    """An attempt raised, took too long, or was denied a call."""

    reason: FailureReason
    detail: str
    is_retried: bool


class HandedOff(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="handed_off", gc=False):
    """A handoff was taken, and its changes committed."""

    handoff: str
    source: str
    target: str
    messages: Count
    """How many messages were committed with it."""
    written: tuple[str, ...]
    """The fields that were committed with it."""
    summaries: Count = 0
    """How many of its messages are summaries, of what had left the window of its agent."""
    waited_s: Seconds = NO_TIME
    """How long the attempt that led to it waited at a gate, if it made no call that says so."""


class Landed(_Record, frozen=True, kw_only=True, tag="landed", gc=False):
    """The run was moved to the fallback."""

    source: str
    target: str
    reason: LandingReason
    detail: str


RequestKind = Literal["tool", "part", "human"]


class Wanted(Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """One thing that was asked for."""

    ask: Count
    """Its number within the visit."""
    kind: RequestKind
    name: str
    """The tool or the part; empty for a human."""
    is_gated: bool = False
    """Whether a human has to approve it before it begins."""


class Asked(_Record, frozen=True, kw_only=True, tag="asked"):
    """An agent asked for a round of work; it acts again when that is over."""

    asks: tuple[Wanted, ...]
    need: Count
    is_race: bool


class Approved(_Record, frozen=True, kw_only=True, tag="approved", gc=False):
    """A human approved the use of a tool, which is due now."""

    ask: Count
    who: str | None


class Answered(_Record, frozen=True, kw_only=True, tag="answered", gc=False):
    """Something that was asked for has come to its end."""

    ask: Count
    end: AskEnd
    ok: bool
    """Whether it ended well."""
    who: str | None
    """The human who answered."""
    tokens: Count
    """What a part was charged; its share is free again."""
    cost: Count
    """Micro-dollars."""


class GatesSeen(_Record, frozen=True, kw_only=True, tag="gates_seen"):
    """Other states than before can be entered by nobody now."""

    shut: tuple[str, ...]
    """All of them, by where they are in the tree of machines."""


class RunFinished(_Record, frozen=True, kw_only=True, tag="run_finished", gc=False):
    """The run ended in a final state."""

    landing: LandingReason | None


Record = (
    RunStarted
    | VisitStarted
    | CallReserved
    | CallDenied
    | CallSettled
    | CallReleased
    | Overspent
    | Refused
    | GuardRaised
    | AttemptFailed
    | HandedOff
    | Landed
    | Asked
    | Approved
    | Answered
    | GatesSeen
    | RunFinished
)
"""What the kernel made of an input; observers and streams are given each as it is made."""
