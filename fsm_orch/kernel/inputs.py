"""Inputs: what the world did. The journal of a run is the list of its inputs.

Every `at` is the seconds that the run has been active when the input arrived, stamped by the runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field

from ..amounts import Count, Usage
from ..limits import Limits
from ..messages import Message
from .effects import Path
from .reasons import FailureReason, Refusal
from .tagged import Seconds, Tagged


class Started(Tagged, frozen=True, kw_only=True, tag="started", weakref=True):
    """A run began."""

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
    at: Seconds = 0.0


class CallReserved(Tagged, frozen=True, kw_only=True, tag="call_reserved", gc=False):
    """A metered model asked to send a request."""

    call: Count
    """Counts from 1 within the visit."""
    input_tokens: Count
    """The bound of its input."""
    output_tokens: Count
    """Its cap on the wire."""
    at: Seconds


class CallSettled(Tagged, frozen=True, kw_only=True, tag="call_settled", gc=False):
    """A request ended; without usage its whole reservation is charged."""

    call: Count
    usage: Usage | None
    at: Seconds


class CallReleased(Tagged, frozen=True, kw_only=True, tag="call_released", gc=False):
    """A request provably cost nothing."""

    call: Count
    at: Seconds


class Overspent(Tagged, frozen=True, kw_only=True, tag="overspent", gc=False):
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
    path: Path = ()
    """The machine in the tree whose visit it was. If that has ended, the nearest one above it that lives is charged."""
    at: Seconds


class Replied(Tagged, frozen=True, kw_only=True, tag="replied"):
    """An agent replied: a handoff it proposes by name, changes to the context, messages."""

    handoff: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    refusal: Refusal | None = None
    """Set if the reply could not be read, or holds a value that cannot be journaled."""
    at: Seconds


class Failed(Tagged, frozen=True, kw_only=True, tag="failed", gc=False):
    """An attempt raised, took too long, or was denied a call."""

    reason: FailureReason
    detail: str = ""
    at: Seconds


class Paused(Tagged, frozen=True, kw_only=True, tag="paused", gc=False):
    """An agent asked a human and waits."""

    question: str
    at: Seconds


class Resumed(Tagged, frozen=True, kw_only=True, tag="resumed"):
    """The human answered."""

    answer: Any
    at: Seconds


class Cancelled(Tagged, frozen=True, kw_only=True, tag="cancelled", gc=False):
    """The caller wants the run to end."""

    detail: str = ""
    at: Seconds


class Split(Tagged, frozen=True, kw_only=True, tag="split"):
    """An agent started a child machine with a share of the run's ledger; it counts as one call."""

    call: Count
    machine: str
    tokens: Count
    cost: Count = 0
    """Micro-dollars."""
    context: Mapping[str, Any]
    at: Seconds


class ChildInput(Tagged, frozen=True, kw_only=True, tag="child_input"):
    """Something happened to a child."""

    call: Count
    input: Input
    at: Seconds


class Merged(Tagged, frozen=True, kw_only=True, tag="merged", gc=False):
    """A finished child gave back what is left of its share."""

    call: Count
    at: Seconds


Input = (
    Started
    | CallReserved
    | CallSettled
    | CallReleased
    | Overspent
    | Replied
    | Failed
    | Paused
    | Resumed
    | Cancelled
    | Split
    | ChildInput
    | Merged
)
"""What the world did to a run; a journal is the list of them."""
