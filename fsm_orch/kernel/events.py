"""Inputs, records and effects: three discriminated unions of plain data.

An *input* is what the world did; the journal of a run is the list of its inputs. A *record* is what the kernel
made of an input; users see records as events. An *effect* is what the runner is to do next.

Every `at` is the seconds that the run has been active when the input arrived, stamped by the runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, TypeAdapter

from ..limits import Limits
from ..messages import Message, Usage

RefusalReason = Literal[
    # the reply could not be read
    "not_json",
    "trailing_text",
    "duplicate_key",
    "truncated",
    "two_decisions",
    "model_refusal",
    # it could be read, and is no decision
    "missing_field",
    "unknown_field",
    "wrong_type",
    "undeclared_write",
    "no_handoff",
    "unknown_handoff",
    # it is a decision, and not legal now
    "guard",
    "visits",
    "hops",
    "budget",
    "deadline",
]
FailureReason = Literal["error", "timeout", "denied"]
DenialReason = Literal["repeated", "calls", "call_limits", "budget", "deadline"]
LandingReason = Literal[
    "no_handoff",  # nothing was legal, or no guard held
    "visits",  # the handoff that was chosen led where no visit, hop or money was left for
    "hops",
    "budget",
    "refusal",  # a reply was refused for another reason, and not repaired
    "failure",  # an agent raised
    "denied",  # an agent was denied a call
    "timeout",  # a visit took too long
    "deadline",
    "overrun",
    "cancelled",
]
LANDS_AS: Mapping[RefusalReason, LandingReason] = {
    "visits": "visits",
    "hops": "hops",
    "budget": "budget",
    "deadline": "deadline",
}
"""Refusals that telling the model cannot mend, with what a run lands for then; any other lands as `refusal`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a reply was not accepted."""

    reason: RefusalReason
    detail: str
    """A sentence for the model that is to repair it; may quote the handoff it named, nothing else it said."""


# --- inputs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run began."""

    run_id: str
    context: Mapping[str, Any]
    messages: tuple[Message, ...] = ()
    thread_id: str | None = None
    trace_id: str | None = None
    """None: the run id."""
    digest: str = ""
    """The digest of the definition it was started on."""
    kernel: int = 0
    """The version of the kernel that folded it."""
    limits: Limits = field(default_factory=Limits)
    """The limits it was started with."""
    at: float = 0.0
    kind: Literal["started"] = "started"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReserved:
    """A metered model asked to send a request."""

    call: int
    """Counts from 1 within the visit."""
    input_tokens: int
    """The bound of its input."""
    output_tokens: int
    """Its cap on the wire."""
    at: float
    kind: Literal["call_reserved"] = "call_reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettled:
    """A request ended; without usage its whole reservation is charged."""

    call: int
    usage: Usage | None
    at: float
    kind: Literal["call_settled"] = "call_settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReleased:
    """A request provably cost nothing."""

    call: int
    at: float
    kind: Literal["call_released"] = "call_released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """An agent replied: a handoff it proposes by name, changes to the context, messages."""

    handoff: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    messages: tuple[Message, ...] = ()
    refusal: Refusal | None = None
    """Set if the reply could not even be read."""
    at: float
    kind: Literal["replied"] = "replied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An attempt raised, took too long, or was denied a call."""

    reason: FailureReason
    detail: str = ""
    at: float
    kind: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """An agent asked a human and waits."""

    question: str
    at: float
    kind: Literal["paused"] = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The human answered."""

    answer: Any
    at: float
    kind: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The caller wants the run to end."""

    detail: str = ""
    at: float
    kind: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An agent started a child machine with a share of the run's ledger; it counts as one call."""

    call: int
    machine: str
    tokens: int
    cost: int = 0
    """Micro-dollars."""
    context: Mapping[str, Any]
    at: float
    kind: Literal["split"] = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildInput:
    """Something happened to a child."""

    call: int
    input: Input
    at: float
    kind: Literal["child_input"] = "child_input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A finished child gave back what is left of its share."""

    call: int
    at: float
    kind: Literal["merged"] = "merged"


Input = Annotated[
    Started
    | CallReserved
    | CallSettled
    | CallReleased
    | Replied
    | Failed
    | Paused
    | Resumed
    | Cancelled
    | Split
    | ChildInput
    | Merged,
    Discriminator("kind"),
]


# --- records --------------------------------------------------------------------------------------------------


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
    """Tokens that the run may still be charged at most, besides these; `settled + reserved + ahead` never rises."""


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
class CallAdmitted(_Record):
    """A call was reserved."""

    call: int
    input_tokens: int
    output_tokens: int
    kind: Literal["call_admitted"] = "call_admitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused(_Record):
    """A call was not reserved; nothing was sent."""

    call: int
    reason: DenialReason
    kind: Literal["call_refused"] = "call_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCharged(_Record):
    """A call ended and was charged."""

    call: int
    usage: Usage | None
    """None: unknown, and the whole reservation was charged."""
    tokens: int
    cost: int
    """Micro-dollars."""
    overrun: int
    """Tokens beyond the reservation."""
    kind: Literal["call_charged"] = "call_charged"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFreed(_Record):
    """A call provably cost nothing; its reservation was given back."""

    call: int
    kind: Literal["call_freed"] = "call_freed"


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
    | CallAdmitted
    | CallRefused
    | CallCharged
    | CallFreed
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


# --- effects --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallAgent:
    """Let the state's agent act."""

    state: str
    attempt: int
    """Counts from 1 within the visit."""
    key: str
    """The idempotency key: the same for every attempt of a visit."""


@dataclass(frozen=True, slots=True)
class AwaitHuman:
    """Wait for an answer; the run is not active meanwhile."""

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

_DEFERRED = ConfigDict(defer_build=True)
"""Adapters are built when they are first used: building both takes 80 ms, which no import should."""

INPUTS: TypeAdapter[Input] = TypeAdapter(Input, config=_DEFERRED)
"""Writes an input as JSON and reads it back."""
RECORDS: TypeAdapter[Record] = TypeAdapter(Record, config=_DEFERRED)
"""Writes a record as JSON and reads it back."""
