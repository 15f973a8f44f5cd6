"""Adversaries: everything that agents, models and callers may do to a run, as far as it makes a difference.

The *full* adversary reserves calls one after another in a visit, each at its maximum. A call uses all of that; where
the ledger could notice the difference, also nothing. It replies with every declared handoff, with none, and with one
that is not declared, and writes every combination of the values that guards distinguish. It fails for every reason that
there can be, lets the deadline pass, and cancels. It asks for rounds of every kind, and for more than the agent may; a
tool and a human answer well or not, and a part, which is played by its summary, uses all of its share or nothing, and
ends well or not. Four things are left out because they lead where others lead already. A reply that cannot be read is
refused as an undeclared handoff is. A reply that is late ends as a timeout does. A call that is released, or is open
when its attempt ends, ends as a settled one does. A call that uses more than it has reserved, known in time or late,
lands the run as a cancellation does; what it is charged beyond its cap is for no proof to bound.

The *lean* adversary only ends visits, each way once: by every declared handoff and writing, over each failure edge, and
by landing. Only where nothing may be decided before something was answered does it ask, for one thing; and where a
policy speaks of its tools, for one of these after the other, as often as it may, and a human says yes or no. A round of
several tools begins them in some order, and so do as many rounds of one. It spends nothing. What calls, repairs and
rounds do besides is to use something up, and a run that has used up less can do no less. So whatever can happen at all
happens under the lean adversary.

The *spending* adversary is lean, and makes calls that use all that they reserve, and runs parts that do so. What runs
spend at most is found under it where the ledger may deny something.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Protocol

from ...amounts import Usage
from ...kernel import inputs
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine, CompiledState
from ...kernel.inputs import Input
from ...kernel.reasons import FailureReason, Refusal
from .abstract import Abstraction
from .replies import Replies
from .turns import Rounds, asked, under_way
from .uses import Spoken

IsTight = Callable[[Configuration], bool]
"""Returns whether the ledger may still deny something in the rest of a run."""


class Adversary(Protocol):
    """The source of every input that may come next."""

    def moves(self, now: Configuration) -> Iterable[Input]:
        """Return every input that may come in a configuration that has not finished, replies first."""
        ...

    def stage(self, now: Configuration) -> Hashable:
        """Return what its next moves depend on, or what they lead to, besides what every run depends on."""
        ...


class FullAdversary:
    """The adversary that leaves out only what leads where something else leads."""

    def __init__(self, compiled: CompiledMachine, abstraction: Abstraction, is_tight: IsTight, spoken: Spoken) -> None:
        self._machine, self._is_tight = compiled, is_tight
        self._replies = Replies(compiled, abstraction, is_whole=True)
        self._rounds = Rounds(compiled, spoken)
        # The same inputs are handed out again, and not equal copies: the tree knows an input by its identity.
        self._others = lru_cache(maxsize=None)(self._listed)

    def moves(self, now: Configuration) -> Iterable[Input]:
        """Return every input that may come in a configuration that has not finished, replies first."""
        visit, spec = now.visit, self._machine.states[now.state].spec
        assert visit is not None
        if visit.round is not None:
            return self._rounds.answers(now, is_tight=self._is_tight(now))
        can_call = visit.calls < spec.calls and visit.denied is None
        stage = "open" if visit.open else "free"
        others = self._others(now.state, stage, visit.calls, can_call, self._is_tight(now))
        if stage == "open":
            return others
        return chain(self._replies.of(now.state), others, self._rounds.every(now))

    def stage(self, now: Configuration) -> Hashable:
        """Return how far the visit is, and what was spent where that still decides something."""
        # Where the ledger has nothing more to deny, a run goes on as if there were no such limits. Where it may still
        # deny something, it may deny it to one of two runs that spent differently.
        visit = now.visit
        assert visit is not None
        # Each round makes an attempt, and without calls none is a repair: then their number decides nothing.
        attempt = visit.attempt if self._machine.states[now.state].spec.calls else 1
        within = visit.calls, attempt, visit.failures, visit.denied is not None, bool(visit.open)
        return within, asked(visit), _spent(now) if self._is_tight(now) else None

    def _listed(self, name: str, stage: str, calls: int, can_call: bool, is_tight: bool) -> tuple[Input, ...]:
        state = self._machine.states[name]
        found: list[Input] = []
        if stage == "open":
            found += _settlements(state, calls, is_tight=is_tight)
        else:
            found += [inputs.Failed(reason=reason, at=0.0) for reason in _failures(state)]
            # One input at the deadline is enough: a reply or a failure lands the run then, whatever it says.
            found.append(inputs.Failed(reason="timeout", at=self._machine.limits.deadline_s))
            if can_call:
                found.append(reservation(state, calls + 1))
        found.append(inputs.Cancelled(at=0.0))
        return tuple(found)


class LeanAdversary:
    """The adversary that ends visits, and does nothing in them.

    Args:
        spoken: the tools of which some policy speaks.
        is_tame: whether code proposes no handoff, so that the first whose guard holds is taken.
    """

    def __init__(
        self, compiled: CompiledMachine, abstraction: Abstraction, spoken: Spoken, *, is_tame: bool = False
    ) -> None:
        self._machine, self._spoken = compiled, spoken
        self._replies = Replies(compiled, abstraction, is_whole=False, is_tame=is_tame)
        self._rounds = Rounds(compiled, spoken)
        self._others = lru_cache(maxsize=None)(lambda name: tuple(self._ends(compiled.states[name])))

    def moves(self, now: Configuration) -> Iterable[Input]:
        """Return every way in which a visit may end, each once; or the next of a round, where one must come before."""
        visit = now.visit
        assert visit is not None
        if visit.round is not None:
            return self._rounds.first_answers(now)
        if self._machine.states[now.state].spec.must_ask and not visit.is_answered:
            return chain(self._rounds.asked(now.state), self._others(now.state))
        return chain(self._replies.of(now.state), self._others(now.state), self._rounds.uses(now))

    def stage(self, now: Configuration) -> Hashable:
        """Return how far a round is that is played; else nothing: a visit is only begun."""
        visit = now.visit
        assert visit is not None
        asks = len(visit.asks) if now.state in self._spoken else 0
        return visit.is_answered, under_way(visit), asks

    def _ends(self, state: CompiledState) -> Iterator[Input]:
        """Yield an input for each failure edge, and one that lands."""
        if "failure" in state.failure_edges:
            yield inputs.Failed(reason="denied", at=0.0)  # an error may be tried again first
        if "timeout" in state.failure_edges and state.may_time_out:
            yield inputs.Failed(reason="timeout", at=0.0)
        if "refusal" in state.failure_edges:
            yield inputs.Replied(refusal=Refusal("declined", "no handoff is taken"), at=0.0)  # never repaired first
        yield inputs.Cancelled(at=0.0)


class SpendingAdversary(LeanAdversary):
    """The lean adversary, which first makes the calls of each visit, and then runs its parts, one after the other.

    Where the ledger may deny some, it also makes and runs fewer.
    """

    def __init__(self, compiled: CompiledMachine, abstraction: Abstraction, is_tight: IsTight) -> None:
        super().__init__(compiled, abstraction, {})
        self._is_tight = is_tight
        self._call = lru_cache(maxsize=None)(lambda name, call: reservation(compiled.states[name], call))
        self._settle = lru_cache(maxsize=None)(
            lambda name, call: tuple(
                # a call that used nothing leaves nothing reserved when its agent acts again after a round
                _settlements(compiled.states[name], call, is_tight=bool(compiled.parts[name]))
            )
        )

    def moves(self, now: Configuration) -> Iterable[Input]:
        """Return the next call or part, or how it is charged, or every way in which a visit may end."""
        visit, spec = now.visit, self._machine.states[now.state].spec
        assert visit is not None
        if visit.open:
            settled: Iterable[Input] = self._settle(now.state, visit.calls)
            return settled
        if visit.round is not None:
            return self._rounds.spent(now)
        spending: tuple[Input, ...] = self._rounds.left(now)
        if visit.calls < spec.calls and visit.denied is None:
            spending = (self._call(now.state, visit.calls + 1), *(spending if self._is_tight(now) else ()))
        if not spending:
            return super().moves(now)
        return chain(spending, super().moves(now)) if self._is_tight(now) else spending

    def stage(self, now: Configuration) -> Hashable:
        """Return the calls of the visit, and what was spent where that still decides something."""
        visit = now.visit
        assert visit is not None
        within = visit.calls, visit.denied is not None, bool(visit.open)
        return within, asked(visit), _spent(now) if self._is_tight(now) else None


def _spent(now: Configuration) -> tuple[int, int]:
    return now.ledger.settled.tokens, now.ledger.settled.cost


def reservation(state: CompiledState, call: int) -> Input:
    """Return the reservation of a call at its maximum."""
    caps = state.spec.call_limits
    return inputs.CallReserved(
        call=call, input_tokens=caps.max_input_tokens, output_tokens=caps.max_output_tokens, at=0.0
    )


def settlement(state: CompiledState, call: int, *, is_free: bool) -> Input:
    """Return the settlement of a call that used all that it reserved, or nothing."""
    caps = state.spec.call_limits
    most = Usage(requests=1, input_tokens=caps.max_input_tokens, output_tokens=caps.max_output_tokens)
    return inputs.CallSettled(call=call, usage=Usage(requests=1) if is_free else most, at=0.0)


def _settlements(state: CompiledState, call: int, *, is_tight: bool) -> Iterator[Input]:
    # Where the ledger can deny nothing any more, what a call uses changes the totals alone, and the largest use
    # gives the largest totals. Where it can, a call that uses nothing leaves the most to later calls, so whatever
    # can be reached is reached by it. Uses in between could only matter for totals: see `Exploration.max_tokens`.
    yield settlement(state, call, is_free=False)
    if is_tight:
        yield settlement(state, call, is_free=True)


def _failures(state: CompiledState) -> Iterator[FailureReason]:
    """Yield the reasons for which a visit of a state may fail."""
    yield from ("error", "denied")
    if state.may_time_out:
        yield "timeout"
    # A model is asked again after a crash, under the same key; code may have paid already. Where that may be repeated,
    # or only routes, it is played all the same: it leads where a denial does, and what is proved needs no such promise.
    if state.acts_once or not state.spec.calls:
        yield "outcome_unknown"
