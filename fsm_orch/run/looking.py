"""What a runner says of stored runs, whoever drives them: nobody claims them, and nothing happens to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Generic

from ..define.machine import C
from ..observe.load import Load
from . import given, going_on
from .driver import Driver
from .following import Followed, follow, until_stored
from .result import RunResult
from .results import Results


class Looking(Generic[C]):
    """The part of a runner that looks at stored runs."""

    _driver: Driver
    _results: Results[C]

    @property
    def is_draining(self) -> bool:
        """Whether nothing begins here any more, since the process is to end; see `drain`."""
        return self._driver.driven.is_draining

    @property
    def load(self) -> Load:
        """How much it has to do now, in this process: runs that it drives, runs that wait, and how its gates stand."""
        driver = self._driver
        admission = None if driver.entrance is None else driver.entrance.admission
        waiting = 0 if admission is None else admission.waiting
        return Load(len(driver.driven), waiting, {} if driver.gates is None else driver.gates.loads())

    async def result(self, run_id: str) -> RunResult[C]:
        """Return what a stored run came to, or where it stands; its `status` says which.

        Raises StartError: if `run_id` is no text, or the store does not know the run.
        Raises StepError: if it was started on another machine or kernel.
        Raises Drifted: if its journal does not fold any more.
        Raises what the store raises.
        """
        given.check_run_id(run_id)
        return self._results.of(await going_on.looked_at(self._driver, run_id, is_whole=True))

    async def begun(self, run_id: str, *, after: int = 0) -> None:
        """Wait until this runner drives a run, and more than so many of its records are stored.

        Whoever is told of the run then finds it in the store. Of a run that is refused, or driven elsewhere, it never
        returns: wait for what drives it too.
        """
        await until_stored(self._driver.driven, run_id, after=after)

    def follow(
        self, run_id: str, *, after: int = 0, text: bool = False, is_awaited: bool = False, poll_s: float = 2.0
    ) -> AbstractAsyncContextManager[AsyncIterator[Followed]]:
        """Follow a stored run until it has ended, whoever drives it: its records, each once it is stored.

        async with runner.follow(run_id, after=5) as events:
            async for event in events: ...

        `Numbered` is a record with its number, which is the same in every process: who comes back gives the last one
        as `after`, and misses none. `Waits` says that nothing is due but what humans are asked; it is followed on.
        Leaving the block changes nothing in the run. If this runner is drained, the records end where they are.

        Args:
            run_id: of a run that this runner's store knows.
            after: the number of the last record that is not given; 0: all are.
            text: whether the answer is given too while it is written, as `TextDelta`s, if this runner drives the run:
                of calls that begin once the block is entered.
            is_awaited: whether to wait for a run that the store does not know yet.
            poll_s: seconds between two looks at the store, at most, while another process drives the run or nobody
                does. It looks more often just after the run has gone on. Where the store tells that there is more, as
                PostgreSQL does, it looks at once then, and else every 30 s.

        Raises StartError: if `run_id` is no text, or there is no store; where the records are read, if it does not know
            the run.
        Raises ValueError: if `after` is negative, or `poll_s` is no time.
        Raises StepError: where the records are read, if the run was started on another machine or kernel.
        Raises what the store raises: where the records are read.
        """
        given.check_run_id(run_id)
        given.check_follow(self._driver.store, after=after, poll_s=poll_s)
        return follow(self._driver, run_id, after=after, text=text, is_awaited=is_awaited, poll_s=poll_s)
