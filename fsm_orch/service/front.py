"""What requests ask of runs that are there: to see them, to answer what they ask, and to cancel them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import AnswerLate, LeaseHeld, StoreError
from ..run.result import RunResult
from ..store.values import Listed
from .caller import Caller
from .driving import Driving
from .hub import Hub, Live
from .problems import Problem
from .seen import Seen


class Front:
    """What stands between requests and the runs of a store."""

    def __init__(self, driving: Driving, hub: Hub) -> None:
        self.driving, self.hub = driving, hub
        self._seen = Seen(driving, "own")

    async def row(self, run_id: str, caller: Caller) -> Listed:
        """Return a run of a caller as the store lists it.

        Raises Problem: if there is none, or it is somebody else's, which is the same to whoever asks.
        """
        return await self._seen.row(run_id, caller)

    async def count(self, run_id: str) -> int:
        """Return how many records a stored run has."""
        return len((await self.driving.stored(run_id)).records)

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
        self.driving.check_open()
        if row.head.status == "finished" and key is None:
            raise Problem("run_ended")
        count = await self.count(row.run_id)
        resume = partial(self.driving.runner.resume, row.run_id, answer, question=question, id=key, who=who)
        live = Live(row.run_id, lambda: self._answered(live, row, resume, count))
        self.hub.begin(live)
        if is_streamed:
            await live.follow(self.driving.runner, after=count)
        await self.hub.begun(live, after=count)
        return live, count

    async def _answered(self, live: Live, row: Listed, resume: Callable[..., Any], count: int) -> RunResult[Any]:
        try:
            return await self.driving.driven(row, resume)
        except LeaseHeld:  # the answer is in the inbox of who drives it
            live.accepted.set()
            return await self.driving.joined(row.run_id, after=count)
        except StoreError:
            if not await self._has_ended(row.run_id):
                raise
            raise AnswerLate("the run has ended meanwhile") from None  # such as by who cancelled it elsewhere

    async def _has_ended(self, run_id: str) -> bool:
        rows = await self.driving.store.list(run_id=run_id)
        return bool(rows) and rows[0].head.status == "finished"

    async def cancel(self, row: Listed, who: str | None) -> None:
        """Have a run landed, whoever drives it.

        Args:
            who: names the human who cancels it.

        Raises Problem: if it has ended.
        """
        if row.head.status == "finished":
            raise Problem("run_ended")
        await self.driving.runner.cancel(row.run_id, who=who)
