"""Inputs: what the world did. The journal of a run is the list of its inputs.

Every `at` is the seconds that the run has been active when the input arrived, stamped by the runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, TypeAdapter

from ..amounts import Usage
from ..limits import Limits
from ..messages import Message
from .reasons import FailureReason, Refusal


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
    """The version of the kernel that the run was started on."""
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
    """Set if the reply could not be read, or holds a value that cannot be journaled."""
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


INPUTS: TypeAdapter[Input] = TypeAdapter(Input, config=ConfigDict(defer_build=True))
"""The adapter that writes an input as JSON and reads it back. Built on first use: it takes 40 ms."""
