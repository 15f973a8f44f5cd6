"""The delivery of webhooks: notices are taken from the store, told, and put off if the receiver does not take them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, Protocol

from pydantic_core import to_json
from standardwebhooks import Webhook

from ..clock import Clock
from ..kernel.inputs import Input, Started
from ..reported import report
from ..run.raised import Raised, tried
from ..run.runner import Runner
from ..run.worker import told
from ..store.notices import Notice, Notices
from .webhook_event import Event, EventType, events_of
from .webhook_outlet import Answer, Outlet

_GONE = 410
"""The status by which a receiver says that it wants no more."""

_HELD = 4
"""For how many times the time of a request a notice is held; telling it is cut off earlier."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an event is tried; see `Webhooks`."""

    tries: int
    initial_s: float
    max_s: float
    give_up_s: float

    def wait_s(self, tries: int, asked_s: float | None, chance: Random) -> float:
        """Return the wait before the next try.

        Args:
            tries: how many there were.
            asked_s: what the receiver asks for.
        """
        backoff = min(self.initial_s * 2.0 ** min(tries - 1, 64), self.max_s)
        return max(backoff * chance.uniform(0.5, 1.0), asked_s or 0.0)

    def is_over(self, notice: Notice, next_s: float) -> bool:
        """Return whether a notice is given up.

        Args:
            next_s: when it would be tried next, in seconds of the epoch.
        """
        return notice.tries >= self.tries or next_s - notice.since > self.give_up_s


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a receiver is told, and of what; see `Webhooks`."""

    name: str
    signers: Sequence[Webhook]
    types: Sequence[EventType]
    link: Callable[[Event], str] | None
    payload: Callable[[Event], Any]
    patience: Patience
    concurrency: int
    timeout_s: float
    poll_s: float
    wall_clock: Clock
    chance: Random

    def request(self, event: Event) -> tuple[bytes, dict[str, str]]:
        """Return the body of an event, and the headers that sign it."""
        if self.link is not None:
            event = replace(event, link=self.link(event))
        body, now = to_json(self.payload(event)), datetime.fromtimestamp(int(self.wall_clock()), UTC)
        signed = " ".join(signer.sign(event.id, now, body.decode()) for signer in self.signers)
        return body, {
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signed,
        }


class Noting(Protocol):
    """What is asked of a store."""

    @property
    def notices(self) -> Notices: ...

    async def load(self, run_id: str) -> tuple[Input, ...]: ...


class Delivery:
    """Delivers to one receiver.

    Args:
        runners: by the digests of their definitions.
        store: of those runners.
    """

    def __init__(self, terms: Terms, runners: Mapping[str, Runner[Any, Any]], store: Noting, outlet: Outlet) -> None:
        self._terms, self._runners, self._store, self._outlet = terms, runners, store, outlet
        self._doing: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        """Set when a request has ended, or all is to."""
        self._is_ending = self._is_gone = False

    @asynccontextmanager
    async def at_work(self, *, drain_s: float) -> AsyncGenerator[None]:
        """Deliver until the block is left, and then what is left, for a while."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            self._is_ending = True
            self._freed.set()
            try:
                await asyncio.wait([work], timeout=drain_s)
            finally:
                doing = (work, *self._doing)
                for task in doing:  # what is cut off is told again, by whoever takes it next
                    task.cancel()
                await asyncio.gather(*doing, return_exceptions=True)
            if not work.cancelled():
                work.result()  # raises what nobody foresaw

    async def _work(self) -> None:
        while not self._is_gone:
            free = self._terms.concurrency - len(self._doing)
            found = await self._taken(free) if free else ()
            for notice in found:
                task = asyncio.create_task(self._deliver(notice))
                self._doing.add(task)
                task.add_done_callback(self._done)
            if self._is_ending and not self._doing:
                return
            is_full = len(self._doing) >= self._terms.concurrency
            with suppress(TimeoutError):
                async with asyncio.timeout(None if is_full or self._is_ending else self._terms.poll_s):
                    await self._freed.wait()
            self._freed.clear()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._doing.discard(task)
        self._freed.set()

    async def _taken(self, limit: int) -> Sequence[Notice]:
        terms = self._terms
        take = partial(
            self._store.notices.take,
            *(terms.name, tuple(self._runners)),
            now_s=terms.wall_clock(),
            hold_s=terms.timeout_s * _HELD,
            limit=limit,
        )
        came = await tried(take)
        if not isinstance(came, Raised):
            return came
        if not isinstance(came.error, Exception):
            raise came.error
        report("webhook %r could not ask the store: %s", terms.name, told(came.error))
        return ()

    async def _deliver(self, notice: Notice) -> None:
        """Send what there is to tell of a run; what fails is told to the log, and put off."""
        failed = await tried(partial(self._told, notice))
        if isinstance(failed, Raised):
            if not isinstance(failed.error, (Exception, SystemExit)):  # an exit would end every run of this process
                raise failed.error
            failed = Answer(None, told(failed.error))
        if failed is None:
            return
        came = await tried(self._leave if failed.status == _GONE else partial(self._put_off, notice, failed))
        if isinstance(came, Raised):  # it is held for a while, and taken again
            report("webhook %r could not tell the store of run %s", self._terms.name, notice.run_id)

    async def _told(self, notice: Notice) -> Answer | None:
        """Send what there is to tell of a run. Return the answer by which it was not taken; None: all was."""
        async with asyncio.timeout(self._terms.timeout_s * (_HELD - 1)):
            journal = await self._store.load(notice.run_id)
            is_over = True
            if journal and isinstance(first := journal[0], Started):  # else it was forgotten meanwhile
                runner, now_s = self._runners[first.digest], self._terms.wall_clock()
                result = runner.replay(journal)
                is_over = result.status == "finished"
                for event in events_of(runner, result, notice, types=self._terms.types, now_s=now_s):
                    answer = await self._outlet.post(*self._terms.request(event))
                    if answer.status is None or not 200 <= answer.status < 300:
                        return answer
        await self._settled(notice, inputs=len(journal), is_over=is_over)
        return None

    async def _settled(self, notice: Notice, *, inputs: int, is_over: bool = False) -> None:
        notices = self._store.notices
        await notices.told(self._terms.name, notice.run_id, inputs=inputs, is_over=is_over)

    async def _put_off(self, notice: Notice, failed: Answer) -> None:
        """Have a notice tried later, or give it up."""
        terms, now_s = self._terms, self._terms.wall_clock()
        until_s = now_s + terms.patience.wait_s(notice.tries, failed.retry_after_s, terms.chance)
        said = (terms.name, notice.run_id, failed.why, notice.tries)
        if terms.patience.is_over(notice, until_s):
            report("webhook %r was not told of run %s: %s. It is given up after try %d", *said)
            await self._settled(notice, inputs=notice.inputs)
        else:
            report("webhook %r was not told of run %s: %s. This was try %d", *said, level=logging.WARNING)
            await self._store.notices.put_off(terms.name, notice.run_id, until_s=until_s)

    async def _leave(self) -> None:
        """Send the receiver nothing more."""
        self._is_gone = True
        self._freed.set()
        report("webhook %r is gone (410): it is told nothing more, unless a process begins to", self._terms.name)
        await self._store.notices.unsubscribe(self._terms.name)
