"""A store in memory, for tests and for services that keep the last runs at hand."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from msgspec.json import decode

from ..amounts import NOTHING, Amount
from ..clock import Clock
from ..kernel.inputs import Answered, Input, Started
from .base import PAGE
from .refusals import json_of, lease_held, lease_lost, nobody_asks, run_id_taken
from .values import RELEASED, Claim, Head, Hold, Listed, News, PaidResponse, Post, RunStatus


@dataclass
class _Kept:
    """A run that is kept."""

    number: int
    owner: str | None
    epoch: int
    head: Head
    began_at: float
    stored_at: float
    journal: list[Input] = field(default_factory=list)
    responses: dict[str, PaidResponse] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    folded: set[str] = field(default_factory=set)
    """The questions whose posted answers are in the journal."""
    is_cancel_asked: bool = False

    def news(self, run_id: str) -> News:
        posts = tuple(post for question, post in self.posts.items() if question not in self.folded)
        return News(run_id, posts, self.is_cancel_asked)

    def listed(self, run_id: str) -> Listed:
        first = self.journal[0]
        of = first if isinstance(first, Started) else Started(run_id=run_id, context={})
        return Listed(
            run_id=run_id,
            head=self.head,
            digest=of.digest,
            thread_id=of.thread_id,
            tenant=of.tenant,
            inputs=len(self.journal),
            epoch=self.epoch,
            owner=None if self.owner == RELEASED else self.owner,
            is_cancel_asked=self.is_cancel_asked,
            began_at=self.began_at,
            stored_at=self.stored_at,
        )


class MemoryStore:
    """A store in memory: all runs that have not ended, and the newest of those that have. A restart loses them.

    What is taken of an account is never forgotten: a thread would have its limit again.

    Args:
        runs: how many runs that have ended it keeps. The one that ended longest ago is forgotten first. A run that has
            not may still be under way, or wait for a human, and is never forgotten.
        wall_clock: seconds of the epoch, for lists and leases.

    Raises ValueError: if `runs` is less than 1.
    """

    def __init__(self, *, runs: int = 1_000, wall_clock: Clock = time.time) -> None:
        if runs < 1:
            raise ValueError(f"a store keeps 1 run or more, not {runs}")
        self.lease_s: float | None = None
        """None: its worker is this process, and lives as long as the store."""
        self._runs = runs
        self._wall_clock = wall_clock
        self._owner = secrets.token_hex(8)
        self._lock = Lock()  # for runners in several threads
        self._kept: dict[str, _Kept] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._accounts: dict[str, Amount] = {}
        self._count = iter(range(1 << 62))
        self._leases: dict[str, float] = {self._owner: float("inf")}

    def beside(self, *, lease_s: float) -> MemoryStore:
        """Return the same journals as another worker has them, which must beat: for tests of several workers."""
        other = copy(self)
        other.lease_s, other._owner = lease_s, secrets.token_hex(8)
        return other

    async def append(
        self,
        run_id: str,
        start: int,
        inputs: Sequence[Input],
        head: Head,
        *,
        epoch: int,
        responses: Sequence[PaidResponse] = (),
        holds: Sequence[Hold] = (),
    ) -> None:
        """Append inputs to a journal and move what is held, as `Store.append` does."""
        with self._lock:
            kept = self._checked(run_id, start, inputs, epoch)
            count = 0 if kept is None else len(kept.journal) - start
            if count >= len(inputs):  # all is kept already, or nothing was said of a run that is not known
                return
            accounts = self._moved(holds)
            if kept is None:
                kept = _Kept(next(self._count), self._owner, epoch, head, self._wall_clock(), 0.0)
                self._kept[run_id] = kept
            self._accounts |= accounts
            self._extend(kept, inputs[count:], head, responses)
            if head.status == "finished":
                self._end(run_id)

    def _checked(self, run_id: str, start: int, inputs: Sequence[Input], epoch: int) -> _Kept | None:
        """Return what is kept of a run.

        Raises StoreError: if inputs do not continue it, or it is somebody else's.
        """
        kept = self._kept.get(run_id)
        is_mine = kept is None or (kept.owner, kept.epoch) == (self._owner, epoch)
        if not is_mine and start:
            raise lease_lost(run_id)
        journal = [] if kept is None else kept.journal
        # what is kept already is compared, not trusted: a second run under this id must not go on with this journal
        same = journal[start : start + len(inputs)]
        if not is_mine or start > len(journal) or same != list(inputs[: len(same)]):
            raise run_id_taken(run_id, len(journal))
        return kept

    def _extend(self, kept: _Kept, inputs: Sequence[Input], head: Head, responses: Sequence[PaidResponse]) -> None:
        if head.hops != kept.head.hops:  # the visit that they were for has ended
            kept.responses.clear()
        for response in responses:
            kept.responses.setdefault(response.key, response)
        kept.journal.extend(inputs)
        ids = {event.id for event in inputs if isinstance(event, Answered)}
        kept.folded.update(question for question, post in kept.posts.items() if post.id in ids)
        kept.head, kept.stored_at = head, self._wall_clock()

    def _moved(self, holds: Sequence[Hold]) -> dict[str, Amount]:
        """Return what the accounts of holds come to."""
        after: dict[str, Amount] = {}
        for hold in holds:
            taken = after.get(hold.account, self._accounts.get(hold.account, NOTHING))
            after[hold.account] = hold.moved(taken)
        return after

    def _end(self, run_id: str) -> None:
        self._ended[run_id] = None
        while len(self._ended) > self._runs:
            oldest, _ = self._ended.popitem(last=False)
            del self._kept[oldest]

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        with self._lock:
            kept = self._kept.get(run_id)
            return () if kept is None else tuple(kept.journal)

    async def claim(self, run_id: str) -> Claim | None:
        """Own a run from now on, in a new epoch; None if it is not known.

        Raises LeaseHeld: if another worker owns it, and beats.
        """
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is None:
                return None
            is_finished, before = kept.head.status == "finished", kept.owner
            if not is_finished:
                if before not in (None, self._owner) and self._leases.get(before, 0.0) > self._wall_clock():
                    raise lease_held(run_id, before)
                kept.owner, kept.epoch = self._owner, kept.epoch + 1
            return Claim(
                epoch=kept.epoch,
                head=kept.head,
                taken_from=None if is_finished else before,
                news=kept.news(run_id),
                responses=tuple(kept.responses.values()),
            )

    async def release(self, run_id: str, *, epoch: int, is_open: bool = False) -> None:
        """Let go of a run, so that any worker may claim it."""
        with self._lock:
            kept = self._kept.get(run_id)
            is_mine = kept is not None and (kept.owner, kept.epoch) == (self._owner, epoch)
            if kept is not None and is_mine and kept.head.status != "finished":
                kept.owner = RELEASED if is_open else None

    async def beat(self) -> tuple[News, ...]:
        """Keep this worker alive, and return what came for the runs that it owns."""
        with self._lock:
            if self.lease_s is not None:
                self._leases[self._owner] = self._wall_clock() + self.lease_s
            mine = [
                kept.news(run_id)
                for run_id, kept in self._kept.items()
                if kept.owner == self._owner and kept.head.status != "finished"
            ]
            return tuple(news for news in mine if news.posts or news.is_cancel_asked)

    async def post(self, run_id: str, question: str, id: str, answer: Any, *, who: str | None = None) -> str:
        """Put an answer into the inbox of a run. Return the id of the answer that counts.

        Raises StoreError: if the run is not known, or has finished, or the answer is no JSON.
        """
        post = Post(question, id, decode(json_of(answer)), who)  # a copy: it is nobody's to change
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is None or kept.head.status == "finished":
                raise nobody_asks(run_id)
            return kept.posts.setdefault(question, post).id

    async def ask_cancel(self, run_id: str) -> bool:
        """Ask whoever drives a run to land it. Return whether it is known and has not finished."""
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is None or kept.head.status == "finished":
                return False
            kept.is_cancel_asked = True
            return True

    async def charge(self, account: str, amount: Amount) -> None:
        """Add to what is taken of an account."""
        with self._lock:
            self._accounts[account] = self._accounts.get(account, NOTHING) + amount

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account; nothing if it is not known."""
        with self._lock:
            return self._accounts.get(account, NOTHING)

    async def list(
        self,
        *,
        status: RunStatus | None = None,
        digest: str | None = None,
        thread_id: str | None = None,
        tenant: str | None = None,
        expired_before: float | None = None,
        after: str | None = None,
        limit: int = PAGE,
    ) -> Sequence[Listed]:
        """Return runs, the one that began last first; what is given must hold of each."""
        with self._lock:
            last = self._kept.get(after) if after is not None else None
            newest = sorted(self._kept.items(), key=lambda item: -item[1].number)
            rows = [kept.listed(run_id) for run_id, kept in newest if last is None or kept.number < last.number]
        wanted = {"digest": digest, "thread_id": thread_id, "tenant": tenant}
        return [
            row
            for row in ([] if after is not None and last is None else rows)
            if all(value is None or getattr(row, name) == value for name, value in wanted.items())
            and status in (None, row.head.status)
            and (expired_before is None or _asks_until(row.head) < expired_before)
        ][:limit]


def _asks_until(head: Head) -> float:
    return float("inf") if head.expires_at is None or head.status == "finished" else head.expires_at
