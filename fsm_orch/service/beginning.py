"""How runs begin: once for each key, and in their turn of a conversation; the store decides between processes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import Request

from ..errors import RunTaken
from ..kernel.inputs import Started
from ..observe.tracing import is_trace_parent
from ..run.first import RunOptions
from ..run.ids import random_id
from ..run.result import RunResult
from .asked import Asked
from .disconnect import unless_gone
from .driving import Driving
from .hub import Hub, Live
from .ids import run_after, run_of_key
from .problems import Problem
from .turns import Turns

MOST_WAITING = 16
"""How many requests wait at most for their turn of one conversation."""


class Beginning:
    """How the runs of a service begin."""

    def __init__(self, driving: Driving, hub: Hub) -> None:
        self._driving, self._hub = driving, hub
        self._turns = Turns(most=MOST_WAITING)

    async def begin(self, asked: Asked, key: str | None) -> Live:
        """Set a run going; of the same key again, return the same run.

        Raises Problem: if the key is of another request, or the conversation is busy, or waits for an answer.
        """
        self._driving.check_open()
        if key is None:
            return await (self._begin(random_id(), asked) if asked.thread is None else self._begin_in_turn(asked))
        run_id = run_of_key(self._driving.runner.definition.name, asked.tenant, key)
        if (known := await self._known(run_id, asked)) is not None:
            return known
        return await (
            self._begin(run_id, asked, is_named=True)
            if asked.thread is None
            else self._begin_in_turn(asked, named=run_id)
        )

    async def begin_for(self, request: Request, asked: Asked, key: str | None) -> Live:
        """Set a run going likewise.

        Raises Gone: if its client has gone away while it waited for its turn, and it is not to go on alone.
        """
        caller = request.headers.get("traceparent", "")
        if is_trace_parent(caller):  # one that is none is left out, as the standard asks
            asked = replace(asked, trace_parent=caller)
        if asked.thread is None or not (asked.waits and asked.ends_alone):
            return await self.begin(asked, key)
        beginning = asyncio.ensure_future(self.begin(asked, key))
        try:
            await unless_gone(request, beginning)
            return beginning.result()
        finally:
            beginning.cancel()

    async def _known(self, run_id: str, asked: Asked) -> Live | None:
        """Return a run that was begun already, here or elsewhere; None if it was not.

        Raises Problem: if it was begun by another request.
        """
        is_elsewhere = await self._is_stored(run_id, asked)
        live = self._hub.get(run_id)  # after the await, behind which it may have come
        if live is not None and isinstance(live.asked, Asked) and live.asked != asked:
            raise Problem("key_reused")
        if live is None and is_elsewhere:
            live = self._hub.begin(Live(run_id, partial(self._driving.joined, run_id), asked=asked))
            live.accepted.set()
        return live

    async def _is_stored(self, run_id: str, asked: Asked) -> bool:
        """Return whether a run is stored.

        Raises Problem: if it was begun by another request.
        """
        journal = await self._driving.store.load(run_id)
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
        run_id = named or run_after(self._driving.runner.definition.name, thread, last)
        try:
            live = await self._begin(run_id, asked, after=before, is_named=named is not None)
            with self._hub.attending(run_id):  # or, if this is given up, it would never be cancelled
                await self._hub.begun(live)
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
            if (last := await self._driving.last_of(thread, asked.tenant)) is None:
                return None
            if last.head.status == "finished":
                return await self._driving.runner.result(last.run_id)
            if last.head.status == "waiting":
                raise Problem("thread_waits", run_id=last.run_id)
            if not asked.waits:
                raise Problem("thread_busy")
            await self._driving.joined(last.run_id)

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
        if asked.trace_parent is not None:
            options["trace_parent"] = asked.trace_parent
        live = Live(run_id, lambda: self._driven(live, asked, options, is_named=is_named), asked=asked)
        live.ends_alone = asked.ends_alone
        self._hub.begin(live)
        if asked.is_streamed:
            await live.follow(self._driving.runner, after=0)
        return live

    async def _driven(self, live: Live, asked: Asked, options: RunOptions, *, is_named: bool) -> RunResult[Any]:
        """Drive a run that begins, or which another process has begun under the same key at the same moment."""
        row = self._driving.row_of(live.run_id, asked)
        try:
            if not asked.is_queued:
                return await self._driving.driven(row, partial(self._driving.runner.run, asked.context, **options))
            await self._driving.runner.enqueue(asked.context, **options)
            live.accepted.set()
            return await self._driving.resumed(row)
        except RunTaken:
            if not (is_named and await self._is_stored(live.run_id, asked)):
                raise
            live.accepted.set()
            return await self._driving.joined(live.run_id)
