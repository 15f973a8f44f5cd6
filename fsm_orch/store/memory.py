"""A store in memory, for tests and for services that keep the last runs at hand."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from math import inf
from threading import Lock
from typing import Any

from msgspec.json import decode
from msgspec.structs import replace

from ..amounts import NOTHING, Amount
from ..clock import Clock
from ..define.options import whole
from ..kernel.inputs import Input
from ..resilience.holding import MemoryHoldings
from .base import PAGE
from .kept import Kept, asks_until
from .memory_notices import MemoryNotices
from .memory_prompts import MemoryPrompts
from .rebound import as_rebound, is_done, objection
from .refusals import json_of, lease_held, lease_lost, nobody_asks, run_id_taken
from .values import (
    RELEASED,
    UNCLAIMED,
    Claim,
    Head,
    Hold,
    Listed,
    News,
    Origin,
    PaidResponse,
    Post,
    Rebound,
    RunStatus,
    moved,
)
from .waiting import Waiting


class MemoryStore:
    """A store in memory: all runs that have not ended, and the newest of those that have. A restart loses them.

    What is taken of an account is never forgotten: a thread would have its limit again.

    Args:
        runs: how many runs that have ended it keeps. The one that ended longest ago is forgotten first. A run that has
            not may still be under way, or wait for a human, and is never forgotten.
        wall_clock: seconds of the epoch, for lists, leases and windows of quotas.

    Raises TypeError: if `runs` is no whole number.
    Raises ValueError: if it is less than 1.
    """

    def __init__(self, *, runs: int = 1_000, wall_clock: Clock = time.time) -> None:
        whole("runs= of a MemoryStore", runs)
        self.lease_s: float | None = None
        """None: its worker is this process, and lives as long as the store."""
        self._runs = runs
        self._wall_clock = wall_clock
        self._owner = secrets.token_hex(8)
        self._lock = Lock()  # for runners in several threads
        self._kept: dict[str, Kept] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._threads: dict[str, dict[str, None]] = {}
        """The runs of each thread."""
        self._accounts: dict[str, Amount] = {}
        self._count = iter(range(1 << 62))
        self._leases: dict[str, float] = {self._owner: inf}
        self.holdings = MemoryHoldings(wall_clock)
        """Holds of quotas what the runs of its runners may still cost."""
        self.notices = MemoryNotices(self._kept, self._lock)
        """What there is to tell of its runs."""
        self.prompts = MemoryPrompts(self._lock)
        """What is kept of the prompts of its runs."""

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
        is_queued: bool = False,
    ) -> None:
        """Append inputs to a journal and move what is held, as `Store.append` does."""
        owner = None if is_queued else self._owner
        with self._lock:
            kept = self._checked(run_id, start, inputs, (owner, epoch))
            count = 0 if kept is None else len(kept.journal) - start
            if count >= len(inputs):  # all is kept already, or nothing was said of a run that is not known
                return
            accounts = moved(self._accounts, holds)
            if kept is None:
                kept = Kept(next(self._count), owner, epoch, head, self._wall_clock(), 0.0)
            self._accounts |= accounts
            self._extend(run_id, kept, inputs[count:], head, responses)

    async def fork(self, run_id: str, origin: Origin, inputs: Sequence[Input], head: Head) -> None:
        """Store a new run with its whole journal, which nobody owns.

        Raises StoreError: if there is a run of this id that is another.
        """
        with self._lock:
            if (kept := self._kept.get(run_id)) is not None:
                if (kept.origin, kept.owner, kept.epoch, kept.journal) != (origin, None, UNCLAIMED, list(inputs)):
                    raise run_id_taken(run_id, len(kept.journal))
                return
            kept = Kept(next(self._count), None, UNCLAIMED, head, self._wall_clock(), 0.0, origin=origin)
            self._extend(run_id, kept, inputs, head, ())

    def _checked(self, run_id: str, start: int, inputs: Sequence[Input], owned: tuple[str | None, int]) -> Kept | None:
        """Return what is kept of a run.

        Args:
            owned: the owner and the epoch that it must have.

        Raises StoreError: if inputs do not continue it, or it is somebody else's.
        """
        kept = self._kept.get(run_id)
        is_mine = kept is None or (kept.owner, kept.epoch) == owned
        if kept is not None and not is_mine and start:
            raise lease_lost(run_id, kept.owner, kept.epoch, mine=owned[1])
        journal = [] if kept is None else kept.journal
        # what is kept already is compared, not trusted: a second run under this id must not go on with this journal
        same = journal[start : start + len(inputs)]
        if not is_mine or start > len(journal) or same != list(inputs[: len(same)]):
            raise run_id_taken(run_id, len(journal))
        return kept

    def _extend(
        self, run_id: str, kept: Kept, inputs: Sequence[Input], head: Head, responses: Sequence[PaidResponse]
    ) -> None:
        """Keep more of a run. If it has ended, forget those that ended longest ago and are too many."""
        self._kept[run_id] = kept
        kept.extend(inputs, head, responses, at=self._wall_clock())
        self.notices.note(run_id)
        if (thread_id := kept.first.thread_id) is not None:
            self._threads.setdefault(thread_id, {})[run_id] = None
        if kept.is_finished:
            self._ended[run_id] = None
        while len(self._ended) > self._runs:
            self._forget(next(iter(self._ended)))

    def _forget(self, run_id: str) -> None:
        """Forget a run that has ended, and all that is kept beside it."""
        kept = self._kept.pop(run_id)
        del self._ended[run_id]
        self.notices.forget(run_id)
        self.prompts.forget(run_id)
        if (thread_id := kept.first.thread_id) is not None:
            del self._threads[thread_id][run_id]
            if not self._threads[thread_id]:
                del self._threads[thread_id]

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        with self._lock:
            kept = self._kept.get(run_id)
            return () if kept is None else as_rebound(kept.journal, kept.rebound)

    async def claim(self, run_id: str) -> Claim | None:
        """Own a run from now on, in a new epoch; None if it is not known.

        Raises LeaseHeld: if another worker owns it, and beats.
        """
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is None:
                return None
            before = kept.owner
            if not kept.is_finished and before not in (None, self._owner) and self._is_alive(before):
                raise lease_held(run_id, before)
            return kept.claim(run_id, self._owner)

    async def claimable(
        self, digests: Collection[str], *, expired_before: float, limit: int = PAGE
    ) -> Sequence[Listed]:
        """Return runs that nobody drives and somebody should, the one that began first first."""
        with self._lock:
            rows = [
                kept.listed(run_id, self._is_alive(kept.owner))
                for run_id, kept in self._kept.items()
                if (kept.owner == self._owner or not self._is_alive(kept.owner)) and kept.is_due(run_id, expired_before)
            ]
        return [row for row in rows if row.digest in digests][:limit]

    async def release(
        self, run_id: str, *, epoch: int, is_open: bool = False, unless_news: bool = False
    ) -> News | None:
        """Let go of a run, so that any worker may claim it, unless something came that keeps it."""
        with self._lock:
            kept = self._owned(run_id, epoch)
            if kept is None:
                return None
            news = kept.news(run_id)
            if unless_news and news.is_any:
                return news
            kept.owner = RELEASED if is_open else None
            return None

    def _owned(self, run_id: str, epoch: int) -> Kept | None:
        """Return what is kept of a run that this worker owns and that has not finished; else None."""
        kept = self._kept.get(run_id)
        is_mine = kept is not None and (kept.owner, kept.epoch) == (self._owner, epoch)
        return kept if kept is not None and is_mine and not kept.is_finished else None

    async def rebind(self, run_id: str, to: Rebound) -> None:
        """Have a run go on with another version of its machine, as `Store.rebind` does.

        Raises LeaseHeld: if a worker drives it, and beats.
        Raises StoreError: if it may not be rebound.
        """
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is not None and is_done(kept.rebound, to):
                return
            run = None if kept is None else kept.bound(is_alive=self._is_alive(kept.owner))
            refused = objection(run_id, run, to)
            if refused is not None:
                raise refused
            assert kept is not None  # or that would have been said
            kept.rebind(replace(to, at=self._wall_clock()))

    async def beat(self) -> tuple[News, ...]:
        """Keep this worker alive, and return what came for the runs that it owns."""
        with self._lock:
            if self.lease_s is not None:
                self._leases[self._owner] = self._wall_clock() + self.lease_s
            mine = [
                kept.news(run_id)
                for run_id, kept in self._kept.items()
                if kept.owner == self._owner and not kept.is_finished
            ]
            return tuple(news for news in mine if news.is_any)

    async def post(self, run_id: str, question: str, id: str, answer: Any, *, who: str | None = None) -> str:
        """Put an answer into the inbox of a run. Return the id of the answer that counts.

        Raises StoreError: if the run is not known, or has finished, or the answer is no JSON.
        """
        post = Post(question, id, decode(json_of(answer)), who)  # a copy: it is nobody's to change
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is None or kept.is_finished:
                raise nobody_asks(run_id)
            return kept.posts.setdefault(question, post).id

    async def refuse(self, run_id: str, question: str, id: str, *, epoch: int) -> None:
        """Take an answer out of the inbox of a run, so that another may come."""
        with self._lock:
            kept = self._owned(run_id, epoch)
            post = None if kept is None or question in kept.folded else kept.posts.get(question)
            if kept is not None and post is not None and post.id == id:
                del kept.posts[question]

    async def ask_cancel(self, run_id: str, *, who: str | None = None) -> bool:
        """Ask whoever drives a run to land it. Return whether it is known and has not finished."""
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is None or kept.is_finished:
                return False
            kept.is_cancel_asked = True
            kept.cancelled_by = who if kept.cancelled_by is None else kept.cancelled_by
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
        run_id: str | None = None,
        expired_before: float | None = None,
        after: str | None = None,
        limit: int = PAGE,
    ) -> Sequence[Listed]:
        """Return runs, the one that began last first; what is given must hold of each."""
        with self._lock:
            last = self._kept.get(after) if after is not None else None
            # the newest first; one run, or the runs of one thread, are looked for at each request of a service
            known: dict[str, Any] = self._kept if thread_id is None else self._threads.get(thread_id, {})
            names = reversed(known) if run_id is None else known.keys() & {run_id}
            rows = [
                kept.listed(name, self._is_alive(kept.owner))
                for name, kept in ((name, self._kept[name]) for name in names)
                if last is None or kept.number < last.number
            ]
        wanted = {"digest": digest, "tenant": tenant}
        return [
            row
            for row in ([] if after is not None and last is None else rows)
            if all(value is None or getattr(row, name) == value for name, value in wanted.items())
            and status in (None, row.head.status)
            and (expired_before is None or asks_until(row.head) < expired_before)
        ][:limit]

    async def waiting(self) -> Sequence[Waiting]:
        """Return how many runs wait, by the digest of their machine and their state."""
        since = defaultdict[tuple[str, str], list[float]](list)
        with self._lock:
            for kept in self._kept.values():
                if kept.head.status == "waiting" and kept.origin is None:
                    since[kept.digest, kept.head.state].append(kept.stored_at)
        return [Waiting(*of, len(each), min(each)) for of, each in sorted(since.items())]

    async def beginnings(self, run_ids: Sequence[str]) -> Mapping[str, Input]:
        """Return the first input of each run; a run that is not known is left out."""
        with self._lock:
            return {run_id: self._kept[run_id].journal[0] for run_id in run_ids if run_id in self._kept}

    async def prune(self, *, ended_before: float) -> int:
        """Forget runs that have finished, and began and were last stored before a moment; return how many."""
        with self._lock:
            last_open: dict[str | None, float] = {
                kept.first.thread_id: kept.began_at
                for kept in sorted(self._kept.values(), key=lambda kept: kept.began_at)
                if not kept.is_finished and kept.first.thread_id is not None
            }
            over = [
                run
                for run in self._ended
                if (kept := self._kept[run]).is_before(ended_before)
                and kept.began_at > last_open.get(kept.first.thread_id, -inf)
            ]
            for run_id in over:
                self._forget(run_id)
        return len(over)

    def _is_alive(self, owner: str | None) -> bool:
        return owner is not None and self._leases.get(owner, 0.0) > self._wall_clock()
