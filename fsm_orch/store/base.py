"""The port of stores: journals of runs, who drives each of them, and the accounts that runs take from.

A store that is open is one *worker*. It owns the runs that it begins and claims; while it beats, no other worker may
claim them. Every claim raises the *epoch* of a run, and an append of an earlier epoch is refused: a worker that was
thought dead and wakes up writes nothing. Our journal is the only truth; an owner says who drives a run now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from typing import Any, Protocol

from ..amounts import Amount
from ..kernel.inputs import Input
from .values import Claim, Head, Hold, Listed, News, Origin, PaidResponse, Rebound, RunStatus

PAGE = 50
"""How many runs a page of a list has, if nobody says."""


LEASE_S = 15.0
"""For how many seconds a beat keeps the runs of a worker from others, if nobody says."""


class Store(Protocol):
    """A store. Every method may be called from any event loop and any thread.

    Raises StoreError: from every method, if the store cannot do it; what it keeps is as before, or as afterwards.
    """

    @property
    def lease_s(self) -> float | None:
        """For how many seconds a beat keeps the runs of this worker from others; None: for good, without a beat."""
        ...

    def append(
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
    ) -> Awaitable[None]:
        """Append inputs to a journal, all or none. Once this was awaited they are kept.

        It is a coroutine, as any `async def` returns. Or it is an `asyncio.Future`: then the inputs are on their way
        already, in the order of the calls, and they go on whatever cancels it; so it costs a run no task.

        Appending is idempotent: inputs already stored are skipped, since a caller that was cancelled does not know
        how far it came. Nothing cuts a slow store off: it makes its runs slow, and they do not age meanwhile.

        What this raises ends the run that is being stored, and its caller gets it: an exit or a cancellation, which it
        would take for its own, as a StoreError. It folds nothing, so that what is kept is the beginning of a run that
        can go on, whether or not these inputs are part of it. After an interrupt, such as KeyboardInterrupt, the run is
        landed and its end appended.

        Args:
            run_id: names the journal.
            start: the place of the first of these inputs in it, from 0. What begins at 0 is owned by this worker.
            inputs: what to append, in order.
            head: where the run stands with them. A run that has not finished may go on at any time, after a crash or
                when a human answers, so a store that forgets keeps it.
            epoch: of the claim; for a run that begins, a random number that no other start of it has.
            responses: kept until the run has taken another hop.
            holds: what moves in the same transaction: all of them and the inputs, or nothing. If all inputs are stored
                already, so are the holds, and they are skipped too.
            is_queued: what begins at 0 is owned by nobody, and any worker may claim it.

        Raises StoreError: if other inputs are stored there (the run id is taken), or `start` leaves a gap.
        Raises LeaseLost: if this worker does not own the run in this epoch.
        Raises TooLittleLeft: if an account would come to more than a hold says; nothing is stored then.
        """
        ...

    async def fork(self, run_id: str, origin: Origin, inputs: Sequence[Input], head: Head) -> None:
        """Store a new run with its whole journal. Nobody owns it; `claimable` never gives it, so it is claimed by name.

        To store the same fork again, until somebody claims it, changes nothing.

        Args:
            run_id: names the new run.
            origin: what it was made of; whether that is still here is not asked.
            inputs: its journal, one input or more.
            head: where it stands with them.

        Raises StoreError: if there is a run of this id that is another.
        """
        ...

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal, as the version reads it that it was rebound to; empty if the run is not known."""
        ...

    async def claim(self, run_id: str) -> Claim | None:
        """Own a run from now on, in a new epoch: one that is free, this worker's own, or a dead one's.

        Of a run that has finished the head is given and nothing changes. None: the run is not known.

        Raises LeaseHeld: if another worker owns it, and beats.
        """
        ...

    async def claimable(
        self, digests: Collection[str], *, expired_before: float, limit: int = PAGE
    ) -> Sequence[Listed]:
        """Return runs that nobody drives and somebody should, the one that began first first; never forks.

        They are free, or their owner's lease is over, or this worker's own, and they run; or they wait, and have an
        answer in their inbox, a cancellation that was asked for, or a question that has expired. Another worker may
        claim them a moment later. Which of its own a worker drives it knows best: the store does not know that a claim
        was never heard of, or that a release was lost.

        Args:
            digests: of the definitions that can be driven here; no others are given.
            expired_before: seconds of the epoch before which a question has expired.
        """
        ...

    async def release(
        self, run_id: str, *, epoch: int, is_open: bool = False, unless_news: bool = False
    ) -> News | None:
        """Let go of a run, so that any worker may claim it; nothing happens if it is claimed already, or finished.

        Args:
            epoch: of the claim.
            is_open: whether something may be under way, or done, of which its journal says nothing: whoever claims it
                next is told that it was taken.
            unless_news: keep it if something has come for it, and return that: else nobody would look at what came just
                before. Whoever posts and then claims in vain can so rely on its owner.
        """
        ...

    async def rebind(self, run_id: str, to: Rebound) -> None:
        """Have a run go on with another version of its machine. What is stored of it stays as it is.

        `load` gives its journal with the new digest and the new names from now on, and lists and claims go by them. Who
        drove it before, and was thought dead, writes nothing more: the epoch rises. To say the same again changes
        nothing.

        Args:
            to: the version; its `at` is the store's to say. If inputs came since those that it counts, which were
                judged, the run is to be judged again.

        Raises LeaseHeld: if a worker drives it, and beats; this one too.
        Raises StoreError: if the run is not known, has ended or gone on since, has another digest, or has an answer in
            its inbox, which was given to the old version.
        """
        ...

    async def beat(self) -> tuple[News, ...]:
        """Keep this worker alive for `lease_s`. Return what came for the runs that it owns, until it is folded."""
        ...

    async def post(self, run_id: str, question: str, id: str, answer: Any, *, who: str | None = None) -> str:
        """Put an answer into the inbox of a run, whose owner folds it. Return the id of the answer that counts.

        Of two answers to one question the first counts; the same id again is the same answer. It is folded by the next
        append with an `answered` of its id.

        Args:
            question: the key of the question.
            id: names the answer.
            answer: JSON.
            who: the human who answered.

        Raises StoreError: if the run is not known, or has finished, or the answer is no JSON.
        """
        ...

    async def refuse(self, run_id: str, question: str, id: str, *, epoch: int) -> None:
        """Take an answer out of the inbox of a run that its owner cannot fold, so that another may come.

        Nothing happens if it is not there, or folded already, or this worker does not own the run in this epoch.
        """
        ...

    async def ask_cancel(self, run_id: str, *, who: str | None = None) -> bool:
        """Ask whoever drives a run to land it. Return whether it is known and has not finished.

        Args:
            who: names the human who asks for it; the first who does is told to whoever lands it.
        """
        ...

    async def charge(self, account: str, amount: Amount) -> None:
        """Add to what is taken of an account, whatever it comes to: for usage that is known only after a run's end."""
        ...

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account; nothing if it is not known. It may be another a moment later."""
        ...

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
        """Return runs, the one that began last first; what is given must hold of each.

        Args:
            run_id: of the one that is wanted, to look at it without owning it.
            expired_before: seconds of the epoch before which a question of a run that has not finished has expired.
            after: the last run of the page before; None: the first page.
        """
        ...

    async def prune(self, *, ended_before: float) -> int:
        """Forget runs that have finished, with all that was stored for them; return how many.

        What a conversation may go on with stays: a run of a thread in which one that has not finished began no earlier.
        Accounts stay: what a thread has spent is not forgotten. It is done in parts, so that appends go on meanwhile;
        what is cut off has forgotten some of the runs, each of them whole.

        Args:
            ended_before: seconds of the epoch before which a run began and was last stored.
        """
        ...
