"""Inputs: what the world did. The journal of a run is the list of its inputs.

Every `at` is the seconds that the run has been active when the input arrived, stamped by the runner. Every `path` is
the machine in the tree that the input is for; `()` is the run itself. A field that holds its default is left out of the
JSON, so that a new one changes no old line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field

from ..amounts import Count, Usage
from ..limits import Limits
from ..messages import Message
from .effects import Path
from .reasons import CallCause, FailureReason, Refusal
from .requests import Request
from .tagged import NO_TIME, Seconds, Tagged
from .terms import Rate, Share


class Started(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="started"):
    """A run began.

    States and parts are named by where they are in the tree of machines: `billing`, the part `fares` of a state as
    `fly.fares`, and a state in it as `fly.fares.find`.
    """

    run_id: str
    context: Mapping[str, Any]
    messages: tuple[Message, ...] = ()
    thread_id: str | None = None
    trace_id: str | None = None
    """None: the run id."""
    digest: str = ""
    """The digest of the definition it was started on."""
    kernel: Count = 0
    """The version of the kernel that the run was started on."""
    limits: Limits = field(default_factory=Limits)
    """The limits it was started with."""
    state: str | None = None
    """The state it starts in; None: the initial one."""
    tokens: Count | None = None
    """Tokens that were moved to it, if that is less than its limit; None: its limit."""
    cost: Count | None = None
    """Micro-dollars that were moved to it, if that is less than its limit; None: its limit."""
    after: str | None = None
    """The run of its thread that came before it."""
    heard: Count = 0
    """How many messages it goes on with, before `messages`, that are told by the journals of that run and of those
    before it; 0: none, or they are among `messages`."""
    prices: Mapping[str, Rate] = field(default_factory=dict)
    """By state, what its model costs; a state that is not named costs nothing."""
    models: Mapping[str, str] = field(default_factory=dict)
    """By state, the name of its model."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    """By part, what each run of it is moved. A better search for shares folds no run that has begun otherwise."""
    shut: tuple[str, ...] = ()
    """The states that nobody could enter when it began."""
    trace_parent: str | None = None
    """The caller's span, as W3C trace context writes it."""
    tenant: str | None = None
    """An opaque text that says for whom it runs."""
    at: Seconds = 0.0
    path: Path = ()


class CallReserved(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="call_reserved", gc=False):
    """A metered model asked to send a request."""

    call: Count
    """Counts from 1 within the visit."""
    input_tokens: Count
    """The bound of its input."""
    output_tokens: Count
    """Its cap on the wire."""
    model: str | None = None
    """The model that is asked, if it is not the one that the state names."""
    waited_s: Seconds = NO_TIME
    """How long it had waited at a gate; of the first call of an attempt, that attempt's wait too."""
    at: Seconds
    path: Path = ()


class CallSettled(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="call_settled", gc=False):
    """A request ended; without usage its whole reservation is charged."""

    call: Count
    usage: Usage | None
    cause: CallCause | None = None
    """Why it brought no answer; None: it did, or nobody has said."""
    at: Seconds
    path: Path = ()


class CallReleased(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="call_released", gc=False):
    """A request provably cost nothing."""

    call: Count
    cause: CallCause | None = None
    """Why it brought no answer; None: it was not sent at all."""
    at: Seconds
    path: Path = ()


class Overspent(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="overspent", gc=False):
    """A call turned out to have used more than it had reserved, after it had been charged all of that."""

    source: str
    """The state whose agent made it."""
    visit: Count
    """The hops that its machine had taken when that visit began."""
    call: Count
    """Counts from 1 within the visit."""
    tokens: Count
    """Beyond its reservation."""
    cost: Count = 0
    """Micro-dollars beyond its reservation."""
    at: Seconds
    path: Path = ()
    """The machine in the tree whose visit it was. If that has ended, the nearest one above it that lives is charged."""


class Replied(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="replied"):
    """An agent replied: a handoff it proposes by name, changes to the context, messages."""

    handoff: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    refusal: Refusal | None = None
    """Set if the reply could not be read, or holds a value that cannot be journaled."""
    waited_s: Seconds = NO_TIME
    """How long its attempt had waited at a gate, if no call has said so."""
    at: Seconds
    path: Path = ()


class Failed(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="failed", gc=False):
    """An attempt raised, took too long, or was denied a call; or a question expired, which is a timeout too."""

    reason: FailureReason
    detail: str = ""
    at: Seconds
    path: Path = ()


class Asked(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="asked"):
    """An agent asked for a round of work, and acts again when the round is over."""

    requests: tuple[Request, ...]
    """They are numbered on within the visit, from 1."""
    need: Count = 0
    """Successes without which the round is over at once; 0: every ask is waited for, however it ends."""
    is_race: bool = False
    """Whether the round is over as soon as it has them."""
    expires_at: float | None = None
    """When what a human is asked in it expires, in seconds of the epoch; None: never. The kernel never compares it."""
    at: Seconds
    path: Path = ()


class Answered(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="answered"):
    """A tool or a human answered; a part answers by its end. Of a tool that needs approval the human comes first."""

    ask: Count
    """Its number within the visit."""
    id: str
    """Names this answer among all others: two equal answers are two."""
    ok: bool = True
    """False: the tool failed, or the human declined."""
    value: Any = None
    """The result, as JSON. Approval is `True`; all else declines."""
    who: str | None = None
    """The human who answered."""
    at: Seconds
    path: Path = ()


class GatesSeen(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="gates_seen"):
    """Other states than before can be entered by nobody now: a breaker is open, or a bulkhead full."""

    shut: tuple[str, ...] = ()
    """All of them, each by where it is in the tree of machines, as `Started` names states."""
    at: Seconds
    path: Path = ()
    """Always the run itself."""


class Cancelled(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="cancelled", gc=False):
    """The caller wants the run to end."""

    detail: str = ""
    at: Seconds
    path: Path = ()


Input = (
    Started
    | CallReserved
    | CallSettled
    | CallReleased
    | Overspent
    | Replied
    | Failed
    | Asked
    | Answered
    | GatesSeen
    | Cancelled
)
"""What the world did to a run; a journal is the list of them."""
