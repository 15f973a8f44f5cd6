"""The desk: where one attempt books its calls at the run's single writer.

Once it is closed, whatever the attempt still does is refused.
"""

from __future__ import annotations

from ..amounts import Usage
from ..define.states import Handoff
from ..errors import CallDenied, VisitClosed
from ..kernel import inputs, records
from ..kernel.legal import legal, next_call
from .writer import Run


class AttemptDesk:
    """Where one attempt books its calls. Once closed, whatever the attempt still does is refused."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed or self._run.is_finished:
            raise VisitClosed("This visit has ended: its model takes no more calls")

    def reserve(self, input_tokens: int, output_tokens: int) -> int:
        self._check_open()
        visit = self._run.now.visit
        call = visit.calls + 1 if visit else 1
        told = self._run.fold(
            inputs.CallReserved(
                call=call, input_tokens=input_tokens, output_tokens=output_tokens, at=self._run.elapsed()
            )
        )
        for record in told:
            if isinstance(record, records.CallDenied):
                raise CallDenied(record.reason)
        return call

    async def written(self) -> None:
        await self._run.flush()

    def settle(self, call: int, usage: Usage | None) -> None:
        self._check_open()
        self._run.fold(inputs.CallSettled(call=call, usage=usage, at=self._run.elapsed()))

    def release(self, call: int) -> None:
        self._check_open()
        self._run.fold(inputs.CallReleased(call=call, at=self._run.elapsed()))

    def legal(self) -> tuple[Handoff, ...]:
        """Draw the menu as if the next call's whole allowance were held; the first call's is held already."""
        self._check_open()
        machine, now = self._run.compiled, self._run.now
        return legal(machine, now, holding=next_call(machine, now))

    def calls_left(self) -> int:
        now = self._run.now
        return self._run.compiled.definition.states[now.state].spec.calls - now.visit.calls if now.visit else 0

    def seconds_left(self) -> float:
        """Tell how long until the visit's time or the run's deadline is over; 0 if one is."""
        now, limits = self._run.now, self._run.compiled.limits
        if now.visit is None:
            return 0.0
        visit_s = self._run.compiled.definition.states[now.state].timeout_s or limits.visit_s
        return max(0.0, min(limits.deadline_s, now.visit.since + visit_s) - self._run.elapsed())
