"""Following a run, whoever drives it: each of its records by its number, once what it was made of is stored.

A run that is driven here is read where it is. Of any other the store is asked, and its journal folded, when the store
says that there is more of it, or else again and again; so whoever follows it there is as far behind as its last flush.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from ..kernel.records import Record
from ..kernel.step import fold_recorded
from ..store.base import Store
from ..store.values import Listed
from . import start
from .delta import TextDelta
from .driven import Driven
from .driver import Driver
from .ears import Ear
from .head import folding
from .loading import checked, listed, loaded, not_known
from .nudged import Listening, Nudged
from .rebound import check_bound

FIRST_POLL_S = 0.05
"""The pause before the store is asked again for a run that has just gone on; each further one is twice as long."""

NUDGED_POLL_S = 30.0
"""The pause where the store says when there is more: a word of it may be lost."""


class Numbered(NamedTuple):
    """A record of a run, and its number in it."""

    number: int
    """Counts from 1. The same record has the same number in whatever process the run is followed."""
    record: Record


class Waits(NamedTuple):
    """A run waits for nothing but humans."""

    number: int
    """How many records it has by then."""


Followed = Numbered | TextDelta | Waits
"""What who follows a run is given. Text has no number, and is given where the run is driven alone."""


@dataclass
class _Following:
    """How far somebody has followed a run."""

    driver: Driver
    store: Store
    run_id: str
    ear: Ear
    at: int
    """The number of the last record that was given."""
    waits_at: int | None = None
    """The number at which it was said to wait."""
    read: int = 0
    """How many of its inputs were read from the store."""

    def new(self, records: Sequence[Record], count: int) -> Iterator[Numbered | TextDelta]:
        """Yield what is new: records, and between them the text that was heard.

        Args:
            records: of the run, from its first.
            count: how many of them may be told.
        """
        texts = self.ear.texts
        while True:
            if texts and texts[0].after <= self.at:
                yield texts.popleft().delta
            elif self.at < count:
                self.at += 1
                yield Numbered(self.at, records[self.at - 1])
            else:
                return

    async def stored(self, row: Listed) -> Sequence[Followed]:
        """Return what is new of a run by its store.

        Args:
            row: as the store lists it.
        """
        new = list[Followed]()
        if row.inputs > self.read:
            records = await self._records(row)
            new += self.new(records, len(records))
            self.read = row.inputs
        if row.head.status == "waiting" and self.waits_at != self.at:
            self.waits_at = self.at
            new.append(Waits(self.at))
        return new

    async def _records(self, row: Listed) -> Sequence[Record]:
        """Return the records of what a store lists; none if it was forgotten a moment ago."""
        if not (journal := (await loaded(self.store, self.run_id))[: row.inputs]):
            return ()
        await check_bound(self.store, self.driver.compiled, journal[0])
        compiled = start.compiled_for(self.driver.compiled, journal[0])
        with folding(compiled, journal):
            return fold_recorded(compiled, journal)[1]


async def until_stored(driven: Driven, run_id: str, *, after: int) -> None:
    """Wait until a run is driven here, and more than so many of its records are stored."""
    ear = Ear(text=False)
    with driven.ears.listening(run_id, ear):
        while (run := driven.at(run_id)) is None or run.stored_records <= after:
            await ear.wait()
            ear.rest()


@asynccontextmanager
async def follow(
    driver: Driver, run_id: str, *, after: int, text: bool, is_awaited: bool, poll_s: float
) -> AsyncIterator[AsyncIterator[Followed]]:
    """Follow a run until the block is left, and from when it is entered. See `Runner.follow`."""
    ear = Ear(text=text)
    following = _Following(driver, checked(driver.store), run_id, ear, after)
    with driver.driven.ears.listening(run_id, ear):
        async with aclosing(_followed(following, is_awaited=is_awaited, poll_s=poll_s)) as events:
            yield events


class _Pauses:
    """When a follower looks at the store again.

    Args:
        poll_s: the longest pause, where the store says nothing.
    """

    def __init__(self, ear: Ear, nudged: Nudged, stack: ExitStack, *, poll_s: float) -> None:
        self._ear, self._nudged, self._stack, self._poll_s = ear, nudged, stack, poll_s
        self._listening: Listening | None = None
        self._was_on = False
        """Whether the store said that it tells what is new, when this began to wait."""
        self._is_relied_on = True
        """Whether it told of the last news: it may say so, and hear nothing."""
        self._looks = 0
        self.restart()

    def restart(self) -> None:
        """Look again soon."""
        self._pause_s, self._was_woken = FIRST_POLL_S, True

    async def wait(self, *, has_news: bool) -> None:
        """Wait until it is time to look again.

        Args:
            has_news: whether there was something new just now.
        """
        self._looks += 1
        if self._looks == 2:  # not at once: most who wait for a run that is not here follow one that begins here
            self._listening = self._stack.enter_context(self._nudged.listening())
        if has_news and self._was_on:
            self._is_relied_on = self._was_woken
        self._pause_s = FIRST_POLL_S if has_news else min(2 * self._pause_s, self._poll_s)
        self._was_on = self._listening is not None and self._listening.is_on
        is_told = self._was_on and self._is_relied_on
        self._was_woken = await self._ear.wait(max(NUDGED_POLL_S, self._poll_s) if is_told else self._pause_s)


async def _followed(following: _Following, *, is_awaited: bool, poll_s: float) -> AsyncGenerator[Followed]:
    """Yield what happens to a run until it has ended."""
    driver, store, run_id, ear = following.driver, following.store, following.run_id, following.ear
    was_known = False
    with ExitStack() as stack:
        pauses = _Pauses(ear, driver.driven.nudged, stack, poll_s=poll_s)
        while True:
            ear.rest()  # first of all: what comes from now on wakes it again
            run = driver.driven.at(run_id)
            if run is not None:
                for each in following.new(run.records, run.stored_records):
                    yield each
                if run.is_finished and following.at >= len(run.records):
                    return
                await ear.wait()
                pauses.restart()
                continue
            row = await listed(store, run_id)
            new = () if row is None else await following.stored(row)
            for event in new:
                yield event
            if row is None and not is_awaited and not was_known:
                raise not_known(run_id)
            has_ended = was_known if row is None else row.head.status == "finished"
            if has_ended or driver.driven.is_draining:
                return
            was_known = row is not None
            await pauses.wait(has_news=bool(new))
