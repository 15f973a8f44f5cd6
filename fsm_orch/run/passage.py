"""The way of one attempt through the gate before its agent, and what the breaker there is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..agents.base import Reply, Round
from ..errors import CallDenied, VisitClosed
from ..kernel.configuration import Configuration
from ..kernel.legal import visit_ends
from ..kernel.records import AttemptFailed, Refused
from ..kernel.tagged import NO_TIME
from ..resilience.base import Came
from ..resilience.gate import Gate
from .desk import AttemptDesk
from .outcome import TooLate
from .raised import Raised
from .writer import Run

_MOMENT_S = 1e-3
"""What takes less is no wait: to go in takes some microseconds too."""


class Passage:
    """An attempt on its way through a gate."""

    def __init__(self, run: Run, desk: AttemptDesk, gate: Gate, *, is_metered: bool) -> None:
        self._run, self._desk, self._gate = run, desk, gate
        self._pace = None if is_metered else gate.pace  # a metered model takes a turn for each call
        self._tell: Callable[[Came], Awaitable[None]] | None = None
        self._came: Came = None

    async def then(self, act: Callable[[], Awaitable[object]]) -> object:
        """Go in, let the agent act, and go out.

        Raises CallDenied: if it may not enter, or could not in time.
        """
        # The place is free again before the reply is folded: else a run would find the state full that it leaves.
        # And an agent that does not let itself be cancelled keeps it, since it is still at work.
        since = self._run.elapsed()
        async with self._gate.entered(self._desk.seconds_left()) as self._tell:
            if self._pace is not None:
                await self._pace.wait(self._desk.seconds_left())
            waited_s = self._run.elapsed() - since
            self._desk.waited_s = waited_s if waited_s >= _MOMENT_S else NO_TIME
            return await act()

    def told(self, end: Callable[[object], None], result: object) -> None:
        """End the attempt, and note what it came to."""
        before, recorded = self._desk.due, len(self._run.records)
        end(result)
        if before is not None:  # else it was not waited for any more, which says nothing of its agent
            self._came = self._came_to(before, result, recorded)

    async def left(self, attempt: Coroutine[Any, Any, None]) -> None:
        """Await an attempt, and have the breaker know what it came to, however it ends."""
        try:
            await attempt
        finally:
            if self._tell is not None:
                await self._tell(self._came)

    def _came_to(self, before: Configuration, result: object, recorded: int) -> Came:
        made = [each for each in self._run.records[recorded:] if each.stamp.path == self._desk.path]
        if isinstance(result, TooLate):
            # not where the run, or a machine around it, had no time left: that is no fault of this agent
            is_own = visit_ends(self._desk.compiled, before) < self._desk.compiled.deadline_s
            return "timeout" if is_own and any(isinstance(each, AttemptFailed) for each in made) else None
        if isinstance(result, Raised):
            return None if isinstance(result.error, CallDenied | VisitClosed) else "error"
        if not isinstance(result, Reply | Round):
            return "error"
        is_refused = any(isinstance(each, Refused) and not each.is_repaired for each in made)
        return "refusal" if is_refused else "ok"
