"""The configuration: all that a run is, as one frozen value.

Its mappings are never changed in place; a step makes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ..amounts import Amount, Usage
from ..define.context import Context
from ..messages import Message
from .ledger import Ledger
from .reasons import LandingReason, Refusal

NONE: Mapping[int, Any] = MappingProxyType({})

Status = Literal["running", "waiting", "finished"]


class VisitLog(NamedTuple):
    """What has happened in the visit that is under way."""

    since: float
    """When it was entered, in active seconds of the run."""
    grant: Amount
    """Reserved on entry and not yet taken over by the first call."""
    attempt: int = 1
    calls: int = 0
    open: Mapping[int, Amount] = NONE
    """What each call that is under way has reserved."""
    failures: int = 0
    refusals: tuple[Refusal, ...] = ()
    is_denied: bool = False
    pauses: int = 0
    answer: Any = None
    """What the human answered, once resumed."""


class Configuration(NamedTuple):
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
    ceiling: int
    """Tokens that the run is charged at most by its end, as its last handoff left it; calls do not move it."""
    at: float
    """Seconds the run has been active."""
    visit: VisitLog | None
    """None in a final state."""
    landing: LandingReason | None = None
    children: Mapping[int, Configuration] = NONE
    """Machines that the visit runs inside it, by the call that carries each."""
    child_machines: Mapping[int, str] = NONE
