"""The configuration: all that a run is, as one frozen value.

Its mappings are never changed in place; a step makes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .budget import Amount, Ledger
from .context import Context
from .events import LandingReason, Refusal
from .messages import Message, Usage

Status = Literal["running", "waiting", "finished"]


@dataclass(frozen=True, slots=True)
class VisitLog:
    """What has happened in the visit that is under way."""

    since: float
    """When it was entered, in active seconds of the run."""
    grant: Amount
    """Reserved on entry and not yet taken over by the first call."""
    attempt: int = 1
    calls: int = 0
    open: Mapping[int, Amount] = field(default_factory=dict[int, Amount])
    """What each call that is under way has reserved."""
    failures: int = 0
    refusals: tuple[Refusal, ...] = ()
    is_denied: bool = False
    pauses: int = 0
    answer: Any = None
    """What the human answered, once resumed."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that a run is."""

    run_id: str
    thread_id: str | None
    trace_id: str
    status: Status
    state: str
    context: Context
    messages: tuple[Message, ...]
    visits: Mapping[str, int]
    hops: int
    ledger: Ledger
    usage: Usage
    at: float
    """Seconds the run has been active."""
    visit: VisitLog | None
    """None in a final state."""
    landing: LandingReason | None = None
    children: Mapping[int, Configuration] = field(default_factory=dict[int, "Configuration"])
    """Machines that the visit runs inside it, by the call that carries each."""
    child_machines: Mapping[int, str] = field(default_factory=dict[int, str])
