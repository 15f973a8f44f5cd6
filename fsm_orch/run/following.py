"""Following a run, whoever drives it: each of its records by its number, once what it was made of is stored.

A run that is driven here is read where it is. Of any other the store is asked again and again, and its journal folded;
so whoever follows it there is as far behind as its last flush.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
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
from .rebound import check_bound
from .writer import Run

FIRST_POLL_S = 0.05
"""The pause before the store is asked again for a run that has just gone on; each further one is twice as long."""


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

    def here(self, run: Run) -> Iterator[Numbered | TextDelta]:
        """Yield what is new of a run that is driven here."""
        texts = self.ear.texts
        while True:
            if texts and texts[0].after <= self.at:
                yield texts.popleft().delta
            elif self.at < run.stored_records:
                self.at += 1
                yield Numbered(self.at, run.records[self.at - 1])
            else:
                return

    async def stored(self, row: Listed) -> Sequence[Numbered | Waits]:
        """Return what is new of a run by its store.

        Args:
            row: as the store lists it.
        """
        self.ear.texts.clear()  # it is driven here no more, and nobody is told what was under way
        new = list[Numbered | Waits](await self._records(row) if row.inputs > self.read else ())
        if row.head.status == "waiting" and self.waits_at != self.at:
            self.waits_at = self.at
            new.append(Waits(self.at))
        return new

    async def _records(self, row: Listed) -> Sequence[Numbered]:
        journal = (await loaded(self.store, self.run_id))[: row.inputs]
        if not journal:  # it was forgotten a moment ago
            return ()
        await check_bound(self.store, self.driver.compiled, journal[0])
        compiled = start.compiled_for(self.driver.compiled, journal[0])
        with folding(compiled, journal):
            records = fold_recorded(compiled, journal)[1]
        new = [Numbered(number, records[number - 1]) for number in range(self.at + 1, len(records) + 1)]
        self.read, self.at = row.inputs, max(self.at, len(records))
        return new


async def until_stored(driven: Driven, run_id: str, *, after: int) -> None:
    """Wait until a run is driven here, and more than so many of its records are stored."""
    ear = Ear(text=False)
    with driven.ears.listening(run_id, ear):
        while (run := driven.at(run_id)) is None or run.stored_records <= after:
            await ear.wait()
            ear.rest()


async def follow(
    driver: Driver, run_id: str, *, after: int, text: bool, is_awaited: bool, poll_s: float
) -> AsyncIterator[Followed]:
    """Yield what happens to a run until it has ended. See `Runner.follow`."""
    store, ear = checked(driver.store), Ear(text=text)
    following, pause_s, was_known = _Following(driver, store, run_id, ear, after), FIRST_POLL_S, False
    with driver.driven.ears.listening(run_id, ear):
        while True:
            ear.rest()  # first of all: what comes from now on wakes it again
            run = driver.driven.at(run_id)
            if run is not None:
                for each in following.here(run):
                    yield each
                if run.is_finished and following.at >= len(run.records):
                    return
                await ear.wait()
                pause_s = FIRST_POLL_S
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
            pause_s = FIRST_POLL_S if new else min(2 * pause_s, poll_s)
            await ear.wait(pause_s)
