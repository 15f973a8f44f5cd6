"""What stores are given and give: heads, holds, claims, answers of humans, responses of models, and rows of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from ..amounts import NOTHING, Amount
from ..errors import StoreError, TooLittleLeft
from ..kernel.renames import NO_RENAMES, Renames
from ..kernel.terms import Terms

RunStatus = Literal["running", "waiting", "finished"]


class Head(Struct, frozen=True):
    """Where a run stands after an append: what lists show, and what its fold is compared with when it goes on."""

    state: str
    status: RunStatus = "running"
    """Waiting: nothing is due but what humans are asked."""
    hops: int = 0
    tokens: int = 0
    """Settled, reservations left out."""
    expires_at: float | None = None
    """When the first question of a run that waits expires, in seconds of the epoch; None: none does."""


class Hold(Struct, frozen=True):
    """What an append moves between a run and an account, in the transaction that stores its inputs.

    An account, such as `thread:ID`, is a sum of tokens and micro-dollars: what runs that have ended were charged, and
    what those under way have taken. It begins at nothing, and has no limit of its own; what takes from it says one.
    """

    account: str
    takes: Amount = NOTHING
    """Added to the account."""
    gives: Amount = NOTHING
    """Taken off the account: what an earlier append of the run had taken."""
    most_tokens: int | None = None
    """What the account may come to, in tokens; None: anything, as when a run ends and what it was charged stays."""
    most_cost: int | None = None
    """What the account may come to, in micro-dollars; None: anything."""

    def moved(self, taken: Amount) -> Amount:
        """Return what an account comes to.

        Raises TooLittleLeft: if that is more than it may. To take nothing is not refused, even after an overrun.
        Raises StoreError: if more is given back than was taken.
        """
        if self.gives.beyond(taken) != NOTHING:
            raise StoreError(f"{self.account!r} cannot be given back {self.gives}: {taken} is taken of it")
        after = taken - self.gives + self.takes
        rises = (self.takes.tokens, after.tokens, self.most_tokens), (self.takes.cost, after.cost, self.most_cost)
        for takes, comes_to, most in rises:
            if takes and most is not None and comes_to > most:
                raise TooLittleLeft(f"{self.account!r} has too little left for {self.takes}: {taken} is taken of it")
        return after


def moved(accounts: Mapping[str, Amount], holds: Sequence[Hold]) -> dict[str, Amount]:
    """Return what the accounts of holds come to.

    Args:
        accounts: what is taken of each; nothing of one that is not there.
        holds: moved in this order.

    Raises StoreError: if one of them may not be moved.
    """
    after: dict[str, Amount] = {}
    for hold in holds:
        after[hold.account] = hold.moved(after.get(hold.account, accounts.get(hold.account, NOTHING)))
    return after


class PaidResponse(Struct, frozen=True):
    """What a model answered within an attempt that makes several requests."""

    key: str
    """Names the request among all of the visit. Of two responses under one key the first is kept."""
    request: str
    """The hash of what was asked: the response is given again to the same request alone."""
    body: str


class Post(Struct, frozen=True):
    """An answer of a human in the inbox of a run."""

    question: str
    """The key of the question."""
    id: str
    """Names the answer among all answers; the caller's."""
    answer: Any
    """JSON."""
    who: str | None = None
    """The human who answered."""


class News(Struct, frozen=True):
    """What came from outside for a run while it is driven."""

    run_id: str
    posts: tuple[Post, ...] = ()
    """The answers in its inbox that no append has folded, oldest first."""
    is_cancel_asked: bool = False
    cancelled_by: str | None = None
    """The human who asked that first, if that is known."""

    @property
    def is_any(self) -> bool:
        """Whether anything came."""
        return bool(self.posts) or self.is_cancel_asked


class Claim(Struct, frozen=True, kw_only=True):
    """What whoever drives a run from now on must know."""

    epoch: int
    """For the appends and the release to come; those of an earlier epoch are refused from now on."""
    head: Head
    """What the fold of its journal must come to."""
    inputs: int
    """How many its journal holds; if it comes to hold more, another worker has claimed it since."""
    taken_from: str | None = None
    """Whose lease was over, or was this worker's own; `RELEASED`: it was let go with something open; None: it was free,
    or has ended. Unless it is None something may have been done of which the journal says nothing."""
    news: News
    responses: tuple[PaidResponse, ...] = ()
    """What the visit under way has been answered already."""
    stored_at: float = 0.0
    """Seconds of the epoch; of the last append."""
    origin: Origin | None = None
    """Of a fork: what it was made of."""


RELEASED = "released"
"""The owner of a run that was let go with something open; no worker bears this name."""


class Rebound(Struct, frozen=True, kw_only=True):
    """That a run goes on with another version of its machine: kept beside its journal, which stays as it is."""

    was: str
    """The digest that it had before."""
    digest: str
    """The digest that it has now."""
    inputs: int
    """How many inputs it had: what follows them is under the names of the new version."""
    renames: Renames = NO_RENAMES
    """The names of the new version under which those inputs are read."""
    terms: Terms | None = None
    """Its prices and shares in the new version; None: those that it has, under the new names."""
    at: float = 0.0
    """When it was rebound, in seconds of the epoch, by the clock of the store."""


class Origin(Struct, frozen=True, omit_defaults=True):
    """What a fork was made of. It holds nobody's words: what was set in it is in its journal."""

    parent: str
    """The run whose journal it begins with."""
    at: int
    """How many inputs of that journal."""
    edits: tuple[str, ...] = ()
    """What was changed in the last of them: `handoff=to_tech`, and `set.answer` for a field."""
    effects: bool = False
    """Whether it may do again what has an effect and no recorded reply."""


UNCLAIMED = 0
"""The epoch of a fork that nobody has claimed."""


class Listed(Struct, frozen=True, kw_only=True):
    """A run as a list shows it."""

    run_id: str
    head: Head
    digest: str = ""
    """The digest of its definition, which is the one that it was rebound to last."""
    rebound: tuple[Rebound, ...] = ()
    """To which digests it was rebound, the first first."""
    thread_id: str | None = None
    tenant: str | None = None
    inputs: int
    """How many are stored."""
    epoch: int
    owner: str | None
    """Who drives it, or has driven it to its end; None: nobody."""
    is_driven: bool = False
    """Whether it has not finished, and its owner is alive."""
    is_cancel_asked: bool = False
    began_at: float
    """Seconds of the epoch."""
    stored_at: float
    """Seconds of the epoch; of the last append."""
    origin: Origin | None = None
    """Of a fork: what it was made of."""
