"""The desk: where one piece of work books its calls at the run's single writer.

It finds its machine in the tree of the run by its path. Once it is closed, or that machine is gone or in another visit,
whatever is still done at it is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from ..amounts import NOTHING, Amount, Price, Usage
from ..define.states import Handoff
from ..errors import CallDenied, VisitClosed
from ..kernel import inputs
from ..kernel.configuration import Configuration
from ..kernel.effects import Act, Effect, Path
from ..kernel.engine import CompiledMachine, CompiledState
from ..kernel.legal import Offer, legal, most_offered, next_call, offered, visit_ends, why_unpaid
from ..kernel.reasons import CallCause
from ..kernel.requests import Request
from ..kernel.tagged import NO_TIME
from ..kernel.tree import machine_at
from .paid import AttemptMemory
from .writer import Run

_SAME_S = 1e-9
"""Ends of visits that differ by less are one: those of a machine and of its part are sums of the same numbers."""


class AttemptDesk:
    """The desk of one attempt of an agent, or of one use of a tool.

    Raises VisitClosed: from every method that reserves a call or draws the menu, once the attempt has ended, or its run
        is about to end.
    Raises VisitError: from the same methods, on another thread or event loop than the run's.
    """

    ended: asyncio.Future[None] | None = None
    """Ends the wait for the work; None while nobody waits."""
    is_closed = False
    """Whether whatever is still done here is refused."""
    memory: AttemptMemory | None = None
    """What was answered to the requests of the attempt before a crash; None: it is not made again after one."""
    waited_s = NO_TIME
    """How long the attempt has waited at its gate, as far as nothing has told it."""
    _is_left = False
    """Whether another worker does it again, since it would have had to send something here."""
    _runs: tuple[str, ...] = ()
    """Of the machines on the path, from the run down; none for the run's own."""
    _seen: Configuration | None = None
    _found: Configuration | None = None
    """The machine in the tree as the run was last seen."""

    def __init__(self, run: Run, effect: Effect) -> None:
        self.path = effect.path
        """The machine in the tree that the work is for."""
        self._run = run
        self._effect = effect
        self._hops = effect.hops
        # of its visit, which may be over, and its machine gone, when the last of its calls is
        self.compiled = run.compiled
        if self.path:
            found = run.levels(self.path)
            self.compiled, self._runs = found[-1].compiled, tuple([level.now.run_id for level in found])
            self._seen, self._found = run.now, found[-1].now
        self.own: CompiledState = self.compiled.states[effect.state]
        """The state that the work is in."""
        self._unheard: dict[int, Amount] = {}
        """What each call has reserved of which it is not known what it used."""
        self._prices: dict[int, Price] = {}
        """What the model of each call costs."""

    def close(self) -> None:
        """Refuse whatever the attempt still does."""
        self.is_closed = True

    def give_up(self) -> None:
        """Stop waiting for the work, and have it stopped; before it has had its first turn, it never has one."""
        self.is_closed = True
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(None)

    @property
    def place(self) -> Configuration | None:
        """The machine that the work is for, in the visit that it is for; None if that is over."""
        now = self._run.now
        if self.path:
            if now is not self._seen:  # looked for once after each input
                self._seen, self._found = now, machine_at(now, self.path)
            # by its run: another visit may run another machine under the same path
            if self._found is None or self._found.run_id != self._runs[-1]:
                return None
            now = self._found
        return now if now.hops == self._hops else None  # the end of a run is a hop too

    @property
    def due(self) -> Configuration | None:
        """Where the machine stands, if what the work comes to is still waited for; else None."""
        now, effect = self.place, self._effect
        visit = None if now is None or self._run.is_stopping or self._is_left else now.visit
        if visit is None:
            return None
        if isinstance(effect, Act):
            return now if visit.round is None and visit.attempt == effect.attempt else None
        return now if effect.ask in visit.asks and visit.asks[effect.ask].is_open else None

    def check(self) -> Configuration:
        """Return the machine, if the attempt may still make calls, and may make them here."""
        self._run.check_here()
        # the kernel knows only the visit that is under way: a late call would be booked on the one that came after
        now = None if self.is_closed or self._run.is_ending else self.place
        if now is None:
            raise VisitClosed("This visit has ended: its model takes no more calls. Return from the agent")
        return now

    def reserve(self, input_tokens: int, output_tokens: int, model: str | None = None, waited_s: float = 0.0) -> int:
        """Reserve a call and return its number, counted from 1 within the visit.

        Args:
            model: the name of the one that is asked; None: the one that the state had when the run began.
            waited_s: how long this call has waited at a gate.

        Raises CallDenied: if the kernel denies it.
        """
        # A plain function, on purpose: an `await` between the number, the check and the reservation would let two
        # calls of this visit take the same number, or both pass a check that has room for one.
        self._check_sending()
        now = self.check()
        visit = now.visit
        assert visit is not None  # it is under way
        call = visit.calls + 1
        self._run.fold(
            inputs.CallReserved(
                call=call,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                # the journal has named it once: of a fallback, and of a run that another model goes on with, it has not
                model=None if model == now.models.get(now.state) else model,
                waited_s=waited_s + self.wait() or NO_TIME,
                at=self._run.elapsed(),
                path=self.path,
            )
        )
        after = self.place
        assert after is not None  # to reserve a call, or to be denied one, ends no visit
        assert after.visit is not None
        visit = after.visit
        if visit.denied is not None:
            raise CallDenied(visit.denied)
        self._unheard[call] = visit.open[call]
        self._prices[call] = self.own.price.of(model)
        return call

    def wait(self) -> float:
        """Return for how many seconds the attempt has waited at its gate, which is told once."""
        waited_s, self.waited_s = self.waited_s, NO_TIME
        return waited_s

    async def written(self) -> None:
        """Wait until the journal is stored, and check that a request may still leave."""
        # A request leaves only after this: a crash while it is out must find its reservation in the store. Otherwise
        # the journal would know nothing of a call that may be billed.
        await self.stored()
        self._check_sending()

    async def stored(self) -> None:
        """Wait until the journal is stored, and check that the attempt has not ended meanwhile."""
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
        self.check()

    def _check_sending(self) -> None:
        """Raise VisitClosed if nothing may be sent here any more; what the work comes to is folded no more then."""
        if self._run.is_draining:
            self._is_left = True
            raise VisitClosed("This worker is being stopped, and sends nothing more: return from the agent")

    def settle(self, call: int, usage: Usage | None, cause: CallCause | None = None) -> None:
        """Charge a call for what it used; if that is not known, for its whole reservation.

        What comes after it was charged in full is charged too, as far as it is more than that.
        """
        self._run.check_here()
        reserved = self._unheard.get(call) if usage is None else self._unheard.pop(call, None)
        if self._is_open(call):  # also in the grace of an attempt: to say what was used is not to use more
            at = self._run.elapsed()
            self._run.fold(inputs.CallSettled(call=call, usage=usage, cause=cause, at=at, path=self.path))
        elif usage is not None and reserved is not None:
            self._came_late(call, reserved, usage)

    def release(self, call: int, cause: CallCause | None = None) -> None:
        """Release the reservation of a call that provably cost nothing, unless it was charged already."""
        self._run.check_here()
        self._unheard.pop(call, None)
        if self._is_open(call):
            self._run.fold(inputs.CallReleased(call=call, cause=cause, at=self._run.elapsed(), path=self.path))

    def _is_open(self, call: int) -> bool:
        """Return whether a call is still to be charged."""
        now = self.place
        visit = None if now is None else now.visit
        return visit is not None and call in visit.open and not self._run.is_given_out

    def _came_late(self, call: int, reserved: Amount, usage: Usage) -> None:
        used = self._prices[call].amount(
            usage.input_tokens, usage.output_tokens, cached_input_tokens=usage.cached_input_tokens
        )
        beyond = used.beyond(reserved)
        if beyond is not NOTHING:
            self._run.overspend(
                inputs.Overspent(
                    source=self.own.name,
                    visit=self._hops,
                    call=call,
                    tokens=beyond.tokens,
                    cost=beyond.cost,
                    at=self._run.elapsed(),
                    path=self._nearest(),
                )
            )

    def _nearest(self) -> Path:
        """Return the path of the nearest machine that still runs, from that of the work up."""
        levels = self._run.levels(self.path)
        live = [level.now.run_id == run for level, run in zip(levels, self._runs, strict=False)]
        return self.path[: (live.index(False) if False in live else len(live)) - 1]

    def legal(self) -> tuple[Handoff, ...]:
        """Return the handoffs that stay legal once the next call is reserved. The first call was reserved on entry."""
        self._run.see_gates()
        now = self.check()
        return legal(self.compiled, now, holding=next_call(self.compiled, now))

    def most_offered(self) -> Offer:
        """Return the most that a request may offer, whatever its call will reserve.

        Of a request that was answered before a crash: what it offered then, or it would not be the same.
        """
        self._run.see_gates()
        now = self.check()
        calls = None if self.memory is None else self.memory.calls_before
        if calls is not None and now.visit is not None:
            now = replace(now, visit=replace(now.visit, calls=calls))
        return most_offered(self.compiled, now)

    def offered(self, most: Offer) -> Offer:
        """Return what of the most is legal beside what the request's call has reserved; asked as soon as it has."""
        return offered(self.compiled, self.check(), most)

    def affords(self, requests: Sequence[Request]) -> bool:
        """Return whether a round could be paid now."""
        return why_unpaid(self.compiled, self.check(), requests) is None

    def calls_left(self) -> int:
        """Return how many more calls this visit may make."""
        now = self.place
        return self.own.spec.calls - now.visit.calls if now and now.visit else 0

    def seconds_left(self) -> float:
        """Return the seconds until the visit's time or the run's deadline is over; 0 if one is, or the attempt is.

        The time and the deadline of each machine that it is inside count too.
        """
        # a thread that was given up looks here, to see whether to go on: the visit that came after is not its own
        now = None if self.is_closed else self.place
        if now is None:
            return 0.0
        if self.path:
            end = min([_end(level.compiled, level.now, level.behind) for level in self._run.levels(self.path)])
        else:
            end = _end(self.compiled, now)
        left = end - self._run.elapsed()
        return left if left > 0.0 else 0.0

    def overdue(self) -> Path:
        """Return the outermost machine whose visit has no time left, when that of the work, which is due, has none.

        What hangs in a part so makes the visit late that it hangs in, which has an edge for it.
        """
        if not self.path:
            return ()
        levels = self._run.levels(self.path)
        ends = [_end(level.compiled, level.now, level.behind) for level in levels]
        # by the least of them too: it is the loop that says that time is over, and a run's own clock may be behind it
        by = max(self._run.elapsed(), min(ends)) + _SAME_S
        return next(level.now.path for level, end in zip(levels, ends, strict=True) if end <= by)


def _end(compiled: CompiledMachine, now: Configuration, behind: float = 0.0) -> float:
    """Return when the time of a machine's visit is over, or that of the machine, in active seconds of the run."""
    own, deadline = visit_ends(compiled, now), compiled.deadline_s
    return behind + (own if own < deadline else deadline)
