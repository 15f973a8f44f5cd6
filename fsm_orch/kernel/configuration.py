"""The configuration: all that a run is, as one frozen value.

Its mappings are never changed in place: a step makes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from ..amounts import NOTHING, Amount, Usage
from ..define.context import Context
from ..messages import Message
from .effects import Path
from .ledger import Ledger
from .numbered import Numbered
from .reasons import AskEnd, DenialReason, LandingReason, Refusal
from .requests import AskHuman, Request

# A read-only view, since `frozen` is not enough: it protects the fields, not what they hold. One write into a plain
# dict that serves as a default would show in every run of the process.
NONE: Mapping[int, Any] = MappingProxyType({})

NO_MODELS: Mapping[str, str] = MappingProxyType({})

Status = Literal["running", "finished"]


NO_ASKS: Numbered[Ask] = Numbered()


class Ask(Struct, frozen=True):
    """One thing that was asked for in a visit, and what came of it."""

    request: Request
    since: float
    """When it was asked, in active seconds of the machine. Of a part: what its time is behind that of the machine, so
    this grows while the part waits for a human and the machine does not."""
    share: Amount = NOTHING
    """Of a part: what was moved to it."""
    is_gated: bool = False
    """Whether a human has yet to approve it."""
    child: Configuration | None = None
    """Of a part, while it runs: where it stands."""
    end: AskEnd | None = None
    """How it ended; None: it is open."""
    ok: bool = False
    """Whether it ended well: the tool gave a result, the human answered, the part reached a good end."""
    value: Any = None
    """The result as JSON. Of a part: `{"state": ..., "context": {...}}`, or where it failed `{"state": ..., "landing":
    ...}`; of a tool that failed, or was not used, a sentence for the agent."""
    id: str = ""
    """Of the answer."""
    who: str | None = None
    """The human who answered, or approved."""

    @property
    def is_open(self) -> bool:
        """Whether nothing has come of it yet."""
        return self.end is None

    @property
    def is_asking_human(self) -> bool:
        """Whether it is a human's to answer, or to approve."""
        return self.is_gated or (self.end is None and type(self.request) is AskHuman)


class RoundLog(Struct, frozen=True, gc=False):
    """The round that is under way."""

    first: int
    """The number of its first ask; those that follow are the next ones."""
    total: int
    """How many asks it has."""
    need: int
    is_race: bool
    expires_at: float | None
    succeeded: int = 0
    failed: int = 0
    waiting: int = 0
    """Open asks in which nothing but a human is due."""

    @property
    def numbers(self) -> range:
        """The numbers of its asks."""
        return range(self.first, self.first + self.total)

    @property
    def open(self) -> int:
        """How many asks are open."""
        return self.total - self.succeeded - self.failed

    @property
    def is_over(self) -> bool:
        """Whether nothing is open, enough of a race has succeeded, or enough is no longer possible."""
        possible = self.total - self.failed
        return possible == self.succeeded or possible < self.need or (self.is_race and self.succeeded >= self.need)


class Sent(Struct, frozen=True, gc=False):
    """A call that is under way."""

    model: str | None
    """The model that is asked; None: the journal does not say."""
    at: float
    """When it was reserved, in active seconds of its machine."""


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
    sent: Mapping[int, Sent] = NONE
    """Whom each of them asks, and since when."""
    failures: int = 0
    """Attempts that raised."""
    refusals: tuple[Refusal, ...] = ()
    """Why the replies since its last round were refused, oldest first."""
    denied: DenialReason | None = None
    """Why the last reservation was denied; then every further one of the visit is."""
    asks: Numbered[Ask] = NO_ASKS
    """All that was asked for, by number; numbers count from 1 within the visit, over all its rounds."""
    round: RoundLog | None = None
    """The round that is under way; None while the agent is due to act."""
    is_answered: bool = False
    """Whether something that was asked for was answered, which `must_ask` demands."""


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
    path: Path = ()
    """Where it is in the tree of machines."""
    shut: frozenset[str] = frozenset()
    """The states that nobody may enter now, each by where it is in the tree of machines from here on down."""
    models: Mapping[str, str] = NO_MODELS
    """The models of states as the run began, by where these are in the tree of machines from here on down."""

    @property
    def key(self) -> str:
        """The idempotency key of the visit: the same for all its attempts."""
        return f"{self.run_id}:{self.hops}"

    def key_of(self, ask: int) -> str:
        """Return the idempotency key of a tool that is used in the visit."""
        return f"{self.key}:{ask}"

    @property
    def is_waiting(self) -> bool:
        """Whether all that is due is a human's. Then its time stands still."""
        log = None if self.visit is None else self.visit.round
        return log is not None and log.waiting == log.total - log.succeeded - log.failed
