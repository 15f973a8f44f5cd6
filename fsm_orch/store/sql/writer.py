"""The writer: one thread with one connection, which does what all runs ask for, many jobs in one transaction.

It cannot die: whatever is raised in it is told to whoever asked, and it goes on. A database that is away is waited for,
with a fresh connection at each try; a transaction that fails for any other reason is done again job by job, so that one
that cannot be done fails alone.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ...errors import StoreError
from ...reported import report
from .process_forks import pauses_at_forks
from .session import Driver, Session

_BATCH = 512
"""The most jobs in one transaction."""
_AGAIN_S = 0.2
"""The pause between two tries of a database that is away."""
_CONFLICTS = 20
"""How often a job is tried again that others came before."""

Work = TypeVar("Work")


@dataclass(eq=False, slots=True)
class _Job(Generic[Work]):
    work: Work
    until: float
    """By the clock of the thread, until when a database is waited for."""
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    conflicts: int = field(default=0)


class Writer(Generic[Work]):
    """One thread that does work on a database.

    Args:
        open: opens a session, its tables made.
        play: does some works in the transaction that has begun. Returns what came of each, an error if it was refused.
        driver: says what errors mean.
        shown: names the database in messages.
        patience_s: for how long a database that is away is waited for.
    """

    def __init__(
        self,
        open: Callable[[], Session],
        play: Callable[[Session, Sequence[Work]], Sequence[Any]],
        *,
        driver: Driver,
        shown: str,
        patience_s: float,
    ) -> None:
        self._open, self._play, self._driver, self._shown = open, play, driver, shown
        self._patience_s = patience_s
        self._queue: queue.SimpleQueue[_Job[Work] | None] = queue.SimpleQueue()
        self._session: Session | None = None
        self._closing = threading.Event()
        self._asking = threading.Lock()
        self._connected = threading.RLock()
        """Held while the connection is used."""
        self._thread = threading.Thread(target=self._run, name="fsm_orch store", daemon=True)
        self._thread.start()
        pauses_at_forks(self)

    def do(self, work: Work, *, is_patient: bool = True) -> asyncio.Future[Any]:
        """Have work done, and return a future of what comes of it. It is done, be that cancelled or not.

        Args:
            is_patient: wait for a database that is away.

        Raises StoreError: if it could not be done.
        """
        loop = asyncio.get_running_loop()
        job = _Job(work, time.monotonic() + self._patience_s * is_patient, loop, loop.create_future())
        with self._asking:  # nothing may come after the word that is the last
            if self._closing.is_set():
                raise StoreError(f"the store {self._shown} is closed")
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Do what is asked for already, and end; a database that is away is waited for no more."""
        with self._asking:
            if not self._closing.is_set():
                self._closing.set()
                self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def pause(self) -> None:
        """Wait until no transaction is under way, and close the connection; `go_on` is called next."""
        self._connected.acquire()
        if threading.current_thread() is not self._thread:  # a codec may fork, in the middle of a transaction
            self._drop()

    def go_on(self) -> None:
        """Go on, with a connection that is opened when there is something to do."""
        self._connected.release()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            jobs, is_last = self._next()
            try:
                self._settle(jobs)
            except BaseException as error:  # our mistake: nobody may wait for ever for it
                _tell([(job, self._told(error)) for job in jobs])
        self._drop()

    def _next(self) -> tuple[list[_Job[Work]], bool]:
        jobs = [self._queue.get()]
        while len(jobs) < _BATCH and not self._queue.empty():
            jobs.append(self._queue.get())
        return [job for job in jobs if job is not None], jobs[-1] is None

    def _settle(self, jobs: Sequence[_Job[Work]]) -> None:
        """Do jobs, and let each know what came of it."""
        while jobs:
            try:
                done = self._transaction(jobs)
            except BaseException as error:
                jobs = self._failed(jobs, error)
            else:
                _tell(list(zip(jobs, done, strict=True)))
                return

    def _failed(self, jobs: Sequence[_Job[Work]], error: BaseException) -> Sequence[_Job[Work]]:
        """Return which jobs are to be tried again together."""
        meaning = self._driver.meaning(error) if isinstance(error, Exception) else "refused"
        if meaning == "away":
            self._drop()
            over = [job for job in jobs if self._closing.is_set() or job.until <= time.monotonic()]
            _tell([(job, self._told(error)) for job in over])
            self._closing.wait(_AGAIN_S if len(over) < len(jobs) else 0)
            return [job for job in jobs if job not in over]
        if len(jobs) > 1:
            for job in jobs:
                self._settle([job])
            return ()
        jobs[0].conflicts += 1
        if meaning == "conflict" and jobs[0].conflicts < _CONFLICTS:
            return jobs
        _tell([(jobs[0], self._told(error))])
        return ()

    def _transaction(self, jobs: Sequence[_Job[Work]]) -> Sequence[Any]:
        with self._connected:
            session = self._session = self._session or self._open()
            try:
                session.begin()
                done = self._play(session, [job.work for job in jobs])
                session.commit()
            except BaseException:
                session.rollback()
                raise
            return done

    def _drop(self) -> None:
        with self._connected:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _told(self, error: BaseException) -> StoreError:
        """Return an error as callers are told of it: with what can be done, and no value."""
        if isinstance(error, StoreError):
            return error
        advice = self._driver.advice(error) if isinstance(error, Exception) else ""
        told = StoreError(f"the store {self._shown} could not do it ({type(error).__name__}){advice and f': {advice}'}")
        told.__cause__ = error
        return told


def _tell(told: Sequence[tuple[_Job[Any], Any]]) -> None:
    """Let who waits know what came of it, each loop once; what failed and nobody waits for is logged."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for job, outcome in told:
        by_loop.setdefault(job.loop, []).append((job.future, outcome))
    for loop, outcomes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, outcomes)
        except RuntimeError:  # that loop is closed
            _log_failed([outcome for _, outcome in outcomes])


def _resolve(outcomes: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    _log_failed([outcome for future, outcome in outcomes if future.done()])  # who asked was cancelled
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _log_failed(outcomes: Sequence[Any]) -> None:
    """Log errors that would be lost, those that say the same once: all that a database cannot do may fail alike."""
    for problem, times in Counter(str(each) for each in outcomes if isinstance(each, BaseException)).items():
        report("%d thing(s) that nobody waits for any more were not stored: %s", times, problem, level=logging.WARNING)
