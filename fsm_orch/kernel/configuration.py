"""The configuration: all that a run is, as one frozen value.

Its mappings are never changed in place: a step makes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from ..amounts import Amount, Usage
from ..define.context import Context
from ..messages import Message
from .ledger import Ledger
from .reasons import DenialReason, LandingReason, Refusal

# A read-only view, since `frozen` is not enough: it protects the fields, not what they hold. One write into a plain
# dict that serves as a default would show in every run of the process.
NONE: Mapping[int, Any] = MappingProxyType({})

Status = Literal["running", "waiting", "finished"]


# Structs rather than frozen dataclasses: a step makes these values several times, and a struct is made in C.
class VisitLog(Struct, frozen=True):
    """What has happened in the visit that is under way."""

    since: float
    """When it was entered, in active seconds of the run."""
    grant: Amount
    """Reserved on entry and not yet taken over by the first call."""
    attempt: int = 1
    """The attempt that is under way; counts from 1."""
    calls: int = 0
    """Calls that were admitted, released ones included."""
    open: Mapping[int, Amount] = NONE
    """What each call that is under way has reserved."""
    failures: int = 0
    """Attempts that raised."""
    refusals: tuple[Refusal, ...] = ()
    """Why earlier replies of this visit were refused, oldest first."""
    denied: DenialReason | None = None
    """Why the last reservation was denied; then every further one of the visit is."""
    pauses: int = 0
    """How often it has waited for a human."""
    question: str = ""
    """What a human is asked, while the run waits."""
    answer: Any = None
    """What the human answered, once resumed."""


class Configuration(Struct, frozen=True):
    """All that a run is."""

    run_id: str
    thread_id: str | None
    trace_id: str
    status: Status
    state: str
    context: Context
    messages: tuple[Message, ...]
    visits: Mapping[str, int]
    """How often each state was entered, the visit under way included."""
    hops: int
    """Transitions taken, the landing included."""
    ledger: Ledger
    usage: Usage
    ceiling: int
    """Tokens that the run is charged at most by its end; set when a visit begins, and not changed by its calls."""
    at: float
    """Seconds the run has been active."""
    visit: VisitLog | None
    """None in a final state."""
    landing: LandingReason | None = None
    children: Mapping[int, Configuration] = NONE
    """Machines that the visit runs inside it, by the call that carries each."""
    child_machines: Mapping[int, str] = NONE
