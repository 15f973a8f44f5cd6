"""What requests ask of runs: to begin one, once for each key and in its turn of a conversation; to answer; to cancel.

A run is driven by the process that was asked for it, with dependencies that are opened for it, not for the request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..define.changes import journaled
from ..define.context import Context
from ..errors import LeaseHeld, RunTaken, StartError
from ..kernel.inputs import Started
from ..messages import REDACTED, Message
from ..run.deps import Factory, opened
from ..run.first import RunOptions
from ..run.following import Waits
from ..run.given import check_factory
from ..run.ids import random_id
from ..run.loading import checked
from ..run.result import RunResult
from ..run.runner import Runner
from ..store.values import UNCLAIMED, Head, Listed
from .caller import Caller
from .hub import Driving, Hub, Live
from .ids import run_after, run_of_key
from .problems import Problem
from .turns import Turns

MOST_WAITING = 16
"""How many requests wait at most for their turn of one conversation."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run that a request asks for."""

    context: Context
    messages: tuple[Message, ...] = ()
    thread: str | None = None
    """Its conversation, as the store calls it."""
    tenant: str | None = None
    waits: bool = field(default=False, compare=False)
    """Whether to wait for its turn of the conversation."""
    ends_alone: bool = field(default=True, compare=False)
    """Whether it is cancelled when nobody attends to it any more."""
    is_streamed: bool = field(default=False, compare=False)
    """Whether its client follows it from the beginning."""
    is_queued: bool = field(default=False, compare=False)
    """Whether it is stored before anything else, since its client is told that it is accepted, and goes."""

    def is_of(self, first: Started) -> bool:
        """Return whether a stored run was begun by the same request."""
        told = journaled(self.context, self.context.model_fields_set)
        context = all(first.context.get(name) in (value, REDACTED) for name, value in told.items())
        messages = self.thread is not None or first.after is not None or _same(first.messages, self.messages)
        return context and messages and (first.thread_id, first.tenant) == (self.thread, self.tenant)


def _same(kept: tuple[Message, ...], told: tuple[Message, ...]) -> bool:
    return len(kept) == len(told) and all(
        one.role == other.role and one.content in (other.content, REDACTED)
        for one, other in zip(kept, told, strict=True)
    )


class Front:
    """What stands between requests and a runner.

    Args:
        deps: makes the dependencies of a run, as for `Runner.work`.
        grace_s: how long a run goes on that nobody attends to.
    """

    def __init__(self, runner: Runner[Any, Any], deps: Factory[Any] | None, *, grace_s: float) -> None:
        self.runner, self.store = runner, checked(runner.store)
        check_factory([runner.definition], deps)
        self.hub = Hub(runner, grace_s=grace_s)
        self._deps = deps
        self._turns = Turns(most=MOST_WAITING)

    async def row(self, run_id: str, caller: Caller) -> Listed:
        """Return a run of a caller as the store lists it.

        Raises Problem: if there is none, or it is somebody else's, which is the same to whoever asks.
        """
        # a NUL would be an error of the database
        rows = await self.store.list(run_id=run_id) if run_id.isprintable() else ()
        if not rows or rows[0].tenant != caller.tenant:
            raise Problem("unknown_run")
        if rows[0].digest != self.runner.definition.digest:
            raise Problem("other_version")
        return rows[0]

    async def stored(self, run_id: str) -> RunResult[Any]:
        """Return a stored run as it stands."""
        if not (journal := await self.store.load(run_id)):
            raise Problem("unknown_run")
        return self.runner.replay(journal)

    async def count(self, run_id: str) -> int:
        """Return how many records a stored run has."""
        return len((await self.stored(run_id)).records)

    async def begin(self, asked: Asked, key: str | None) -> Live:
        """Set a run going; of the same key again, return the same run.

        Raises Problem: if the key is of another request, or the conversation is busy, or waits for an answer.
        """
        self._check_open()
        if key is None:
            return await (self._begin(random_id(), asked) if asked.thread is None else self._begin_in_turn(asked))
        run_id = run_of_key(self.runner.definition.name, asked.tenant, key)
        if (known := await self._known(run_id, asked)) is not None:
            return known
        return await (
            self._begin(run_id, asked, is_named=True)
            if asked.thread is None
            else self._begin_in_turn(asked, named=run_id)
        )

    def _check_open(self) -> None:
        if self.runner.is_draining:
            raise Problem("draining", headers={"Retry-After": "1"})

    async def _known(self, run_id: str, asked: Asked) -> Live | None:
        """Return a run that was begun already, here or elsewhere; None if it was not.

        Raises Problem: if it was begun by another request.
        """
        is_elsewhere = await self._is_stored(run_id, asked)
        live = self.hub.get(run_id)  # after the await, behind which it may have come
        if live is not None and isinstance(live.asked, Asked) and live.asked != asked:
            raise Problem("key_reused")
        if live is None and is_elsewhere:
            live = self.hub.begin(Live(run_id, partial(self.joined, run_id), asked=asked))
            live.accepted.set()
        return live

    async def _is_stored(self, run_id: str, asked: Asked) -> bool:
        """Return whether a run is stored.

        Raises Problem: if it was begun by another request.
        """
        journal = await self.store.load(run_id)
        if journal and not (isinstance(journal[0], Started) and asked.is_of(journal[0])):
            raise Problem("key_reused")
        return bool(journal)

    async def _begin_in_turn(self, asked: Asked, *, named: str | None = None) -> Live:
        """Set the next run of a conversation going, after the last one; whoever comes next waits until it has ended.

        Args:
            named: its id, if a key names it.
        """
        assert asked.thread is not None
        give_back = await self._turns.take(asked.thread, waits=asked.waits)
        try:
            live = None
            while live is None:
                live = await self._begun_next(asked, asked.thread, named)
        except BaseException:
            give_back()
            raise
        live.task.add_done_callback(lambda _: give_back())
        return live

    async def _begun_next(self, asked: Asked, thread: str, named: str | None) -> Live | None:
        """Begin the next run of a conversation; None if another process was faster, and it is to be waited for."""
        before = await self._before(asked, thread)
        last = None if before is None else before.run_id
        run_id = named or run_after(self.runner.definition.name, thread, last)
        try:
            live = await self._begin(run_id, asked, after=before, is_named=named is not None)
            await self.hub.begun(live)
        except RunTaken:
            if not asked.waits:
                raise Problem("thread_busy") from None
            return None
        return live

    async def _before(self, asked: Asked, thread: str) -> RunResult[Any] | None:
        """Return the last run of a conversation, once it has ended; None if there was none.

        Raises Problem: if it is under way, and not waited for, or waits for an answer.
        """
        while True:
            if (last := await self.last_of(thread, asked.tenant)) is None:
                return None
            if last.head.status == "finished":
                return await self.runner.result(last.run_id)
            if last.head.status == "waiting":
                raise Problem("thread_waits", run_id=last.run_id)
            if not asked.waits:
                raise Problem("thread_busy")
            await self.joined(last.run_id)

    async def last_of(self, thread: str, tenant: str | None) -> Listed | None:
        """Return the last run of a conversation as the store lists it; None if there was none."""
        rows = await self.store.list(thread_id=thread, tenant=tenant)
        return next((row for row in rows if row.tenant == tenant and row.origin is None), None)

    async def _begin(
        self, run_id: str, asked: Asked, *, after: RunResult[Any] | None = None, is_named: bool = False
    ) -> Live:
        options = RunOptions(run_id=run_id)
        if asked.messages:
            options["messages"] = asked.messages
        if asked.thread is not None:
            options["thread_id"] = asked.thread
        if after is not None:
            options["after"] = after
        if asked.tenant is not None:
            options["tenant"] = asked.tenant
        live = Live(run_id, lambda: self._driven(live, asked, options, is_named=is_named), asked=asked)
        live.ends_alone = asked.ends_alone
        self.hub.begin(live)
        if asked.is_streamed:
            await live.follow(self.runner, after=0)
        return live

    async def _driven(self, live: Live, asked: Asked, options: RunOptions, *, is_named: bool) -> RunResult[Any]:
        """Drive a run that begins, or which another process has begun under the same key at the same moment."""
        row = self._row_of(live.run_id, asked)
        try:
            if not asked.is_queued:
                return await self._with_deps(row, partial(self.runner.run, asked.context, **options))
            await self.runner.enqueue(asked.context, **options)
            live.accepted.set()
            return await self._go_on(row)
        except RunTaken:
            if not (is_named and await self._is_stored(live.run_id, asked)):
                raise
            live.accepted.set()
            return await self.joined(live.run_id)

    def _row_of(self, run_id: str, asked: Asked) -> Listed:
        """Return a run that is not stored yet as a list would show it, for the factory of its dependencies."""
        definition, now = self.runner.definition, time.time()
        return Listed(
            run_id=run_id, head=Head(definition.initial.name), digest=definition.digest, thread_id=asked.thread,
            tenant=asked.tenant, inputs=0, epoch=UNCLAIMED, owner=None, began_at=now, stored_at=now,
        )  # fmt: skip

    async def _with_deps(self, row: Listed, run: Callable[..., Any]) -> RunResult[Any]:
        async with opened(self.runner.definition, self._deps, row) as deps:
            result: RunResult[Any] = await run(deps=deps)
        return result

    async def _go_on(self, row: Listed) -> RunResult[Any]:
        """Drive a run that was queued, unless a worker is faster."""
        try:
            return await self._with_deps(row, partial(self.runner.resume, row.run_id))
        except (LeaseHeld, StartError):
            rows = await self.store.list(run_id=row.run_id)
            if not (rows and (rows[0].is_driven or rows[0].head.status == "finished")):
                raise
            return await self.joined(row.run_id)

    async def answer(
        self,
        row: Listed,
        answer: Any,
        *,
        question: str | None,
        key: str | None,
        who: str | None,
        is_streamed: bool,
    ) -> tuple[Live, int]:
        """Answer a question of a run, which goes on here. Return it once the answer is stored, and its records before.

        Raises AnswerError: if it does not fit, or comes too late.
        """
        self._check_open()
        if row.head.status == "finished" and key is None:
            raise Problem("run_ended")
        count = await self.count(row.run_id)
        resume = partial(self.runner.resume, row.run_id, answer, question=question, id=key, who=who)
        live = self.hub.begin(Live(row.run_id, partial(self._answered, row, resume, count)))
        if is_streamed:
            await live.follow(self.runner, after=count)
        await self.hub.begun(live, after=count)
        return live, count

    async def _answered(self, row: Listed, resume: Driving, count: int) -> RunResult[Any]:
        try:
            return await self._with_deps(row, resume)
        except LeaseHeld:  # the answer is in the inbox of who drives it
            return await self.joined(row.run_id, after=count)

    async def joined(self, run_id: str, *, after: int = -1) -> RunResult[Any]:
        """Wait until a run that is driven elsewhere has ended, or waits; return it.

        Args:
            after: how many records it has when it waits for something else than before.

        Raises Problem: if this process is to end before.
        """
        async with self.runner.follow(run_id, after=max(after, 0)) as events:
            async for event in events:
                if isinstance(event, Waits) and event.number > after:
                    break
        result = await self.stored(run_id)
        if result.status == "running":
            raise Problem("draining", headers={"Retry-After": "1"})
        return result

    async def cancel(self, row: Listed) -> None:
        """Have a run landed, whoever drives it.

        Raises Problem: if it has ended.
        """
        if row.head.status == "finished":
            raise Problem("run_ended")
        await self.runner.cancel(row.run_id)
