"""The desk: where one attempt books its calls at the run's single writer.

Once it is closed, whatever the attempt still does is refused.
"""

from __future__ import annotations

from ..amounts import NOTHING, Amount, Usage
from ..define.states import Handoff
from ..errors import CallDenied, VisitClosed
from ..kernel import inputs
from ..kernel.configuration import VisitLog
from ..kernel.legal import Offer, legal, most_offered, next_call, offered, visit_ends
from .writer import Run


class AttemptDesk:
    """The desk of one attempt.

    Raises VisitClosed: from every method that reserves a call or draws the menu, once the attempt has ended, or its run
        is about to end.
    Raises VisitError: from the same methods, on another thread or event loop than the run's.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_closed = False
        # of the visit, which may be over when the last of its calls is
        self._hops, self._state = run.now.hops, run.compiled.states[run.now.state]
        self._unheard: dict[int, Amount] = {}
        """What each call has reserved of which it is not known what it used."""

    def close(self) -> None:
        """Refuse whatever the attempt still does."""
        self._is_closed = True

    def check(self) -> None:
        """Check that the attempt may still make calls, and that this is where it may make them."""
        self._open_visit()

    def _open_visit(self) -> VisitLog:
        """Return the visit, which must still be under way."""
        self._run.check_here()
        visit = self._run.now.visit
        # the kernel knows only the visit that is under way: a late call would be booked on the one that came after
        if self._is_closed or visit is None or self._run.is_ending:
            raise VisitClosed("This visit has ended: its model takes no more calls. Return from the agent")
        return visit

    def reserve(self, input_tokens: int, output_tokens: int) -> int:
        """Reserve a call and return its number, counted from 1 within the visit.

        Raises CallDenied: if the kernel denies it.
        """
        # A plain function, on purpose: an `await` between the number, the check and the reservation would let two
        # calls of this visit take the same number, or both pass a check that has room for one.
        call = self._open_visit().calls + 1
        self._run.fold(
            inputs.CallReserved(
                call=call, input_tokens=input_tokens, output_tokens=output_tokens, at=self._run.elapsed()
            )
        )
        visit = self._run.now.visit
        assert visit is not None  # to reserve a call, or to be denied one, ends no visit
        if visit.denied is not None:
            raise CallDenied(visit.denied)
        self._unheard[call] = visit.open[call]
        return call

    async def written(self) -> None:
        """Wait until the journal is stored, and check that the attempt has not ended meanwhile."""
        # A request leaves only after this: a crash while it is out must find its reservation in the store. Otherwise
        # the journal would know nothing of a call that may be billed.
        if self._run.is_stored:
            return
        try:
            await self._run.flush()
        except BaseException as error:
            if error is not self._run.lost:  # a cancellation of this call
                raise
            # The run's, which ends by it; an agent must neither take it nor be blamed for it. An interrupt too: raised
            # in a task that an agent has made, it would end the event loop and every other run.
            raise VisitClosed("The journal of this run cannot be stored: return from the agent") from error
        self._open_visit()

    def settle(self, call: int, usage: Usage | None) -> None:
        """Charge a call for what it used; if that is not known, for its whole reservation.

        What comes after it was charged in full is charged too, as far as it is more than that.
        """
        self._run.check_here()
        reserved = self._unheard.get(call) if usage is None else self._unheard.pop(call, None)
        if self._is_open(call):  # also in the grace of an attempt: to say what was used is not to use more
            self._run.fold(inputs.CallSettled(call=call, usage=usage, at=self._run.elapsed()))
        elif usage is not None and reserved is not None:
            self._came_late(call, reserved, usage)

    def release(self, call: int) -> None:
        """Release the reservation of a call that provably cost nothing, unless it was charged already."""
        self._run.check_here()
        self._unheard.pop(call, None)
        if self._is_open(call):
            self._run.fold(inputs.CallReleased(call=call, at=self._run.elapsed()))

    def _is_open(self, call: int) -> bool:
        """Return whether a call is still to be charged."""
        # by the hops that no other visit has: the one that is under way now may have a call of the same number
        now = self._run.now
        is_under_way = now.visit is not None and now.hops == self._hops and self._run.lost is None
        return is_under_way and now.visit is not None and call in now.visit.open

    def _came_late(self, call: int, reserved: Amount, usage: Usage) -> None:
        used = self._state.price.amount(
            usage.input_tokens, usage.output_tokens, cached_input_tokens=usage.cached_input_tokens
        )
        beyond = used.beyond(reserved)
        if beyond is not NOTHING:
            self._run.overspend(
                inputs.Overspent(
                    source=self._state.state.name,
                    visit=self._hops,
                    call=call,
                    tokens=beyond.tokens,
                    cost=beyond.cost,
                    at=self._run.elapsed(),
                )
            )

    def legal(self) -> tuple[Handoff, ...]:
        """Return the handoffs that stay legal once the next call is reserved. The first call was reserved on entry."""
        self._open_visit()
        compiled, now = self._run.compiled, self._run.now
        return legal(compiled, now, holding=next_call(compiled, now))

    def most_offered(self) -> Offer:
        """Return the most that a request may offer, whatever its call will reserve."""
        self._open_visit()
        return most_offered(self._run.compiled, self._run.now)

    def offered(self, most: Offer) -> Offer:
        """Return what of the most is legal beside what the request's call has reserved; asked as soon as it has."""
        return offered(self._run.compiled, self._run.now, most)

    def calls_left(self) -> int:
        """Return how many more calls this visit may make."""
        now = self._run.now
        return self._run.compiled.states[now.state].spec.calls - now.visit.calls if now.visit else 0

    def seconds_left(self) -> float:
        """Return the seconds until the visit's time or the run's deadline is over; 0 if one is, or the attempt is."""
        now, compiled = self._run.now, self._run.compiled
        # a thread that was given up looks here, to see whether to go on: the visit that came after is not its own
        if self._is_closed or now.visit is None:
            return 0.0
        left = min(compiled.deadline_s, visit_ends(compiled, now)) - self._run.elapsed()
        return left if left > 0.0 else 0.0
