"""Rounds as adversaries play them: what an agent may ask for, and what may come of it.

Parts do not touch each other, so the order in which they move makes no difference, but for when their round is over. In
a race they move in any order. Else they move in that of their numbers: first some of them reserve, then all end, one
after the other. So a round ends while calls of later parts are open, and while they are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ...amounts import Usage
from ...kernel import inputs
from ...kernel.configuration import Ask, Configuration, RoundLog, VisitLog
from ...kernel.engine import CompiledMachine, CompiledPart
from ...kernel.inputs import Input
from ...kernel.requests import AskHuman, Request, RunPart, UseTool
from .summary import BEGINS, LANDS_AT_ONCE, WELL
from .uses import Spoken

SOME_RUNS = 2
"""The most runs of one part that are asked for together: what more of them do, these do."""
BY = "somebody"
"""Whoever answers for a human."""


class _Part(NamedTuple):
    """A part that runs, by where it stands."""

    number: int
    tokens: int
    """Of its call: what it may reserve."""
    stands: str


class Rounds:
    """The rounds of one machine, whose parts are summaries.

    Args:
        spoken: the tools of which some policy speaks; all others of one kind are one.
    """

    def __init__(self, compiled: CompiledMachine, spoken: Spoken) -> None:
        self._machine, self._spoken = compiled, spoken
        # The same inputs are handed out again, and not equal copies: the tree knows an input by its identity.
        self._asks = lru_cache(maxsize=None)(lambda name: tuple(map(_one, self._each(name))))
        self._all = lru_cache(maxsize=None)(lambda name: tuple(self._together(name)))
        self._uses = lru_cache(maxsize=None)(lambda name: tuple(_one(UseTool(name=tool)) for tool in spoken[name]))
        self._too_many = lru_cache(maxsize=None)(lambda name: tuple(self._beyond(name)))
        self._ends = lru_cache(maxsize=None)(lambda name: tuple(self._ended(name)))
        self._answers = lru_cache(maxsize=None)(_answers)
        self._moves = lru_cache(maxsize=None)(lambda part, is_tight: tuple(_moves(part, is_tight=is_tight)))
        self._lands = lru_cache(maxsize=None)(_lands)

    def asked(self, name: str) -> tuple[Input, ...]:
        """Return the rounds of one request: for each part, tools, and a human; for a map, of none.

        Of tools, those of which a policy speaks, and of all others one of each kind.

        These are the least by which what must be asked for is.
        """
        spec = self._machine.states[name].spec
        return (inputs.Asked(requests=(), at=0.0),) if spec.kind == "map" else self._asks(name)

    def uses(self, now: Configuration) -> tuple[Input, ...]:
        """Return the rounds of one tool of which a policy speaks, if the visit may still ask."""
        assert now.visit is not None
        if now.state not in self._spoken or len(now.visit.asks) >= self._machine.states[now.state].spec.asks:
            return ()
        return self._uses(now.state)

    def every(self, now: Configuration) -> tuple[Input, ...]:
        """Return every kind of round that an agent may ask for, and some that it may not.

        After its first round in a visit it asks for one thing at a time, for parts in the order of their declaration.
        """
        assert now.visit is not None
        name, asks = now.state, now.visit.asks
        if not asks:
            return (*self._asks(name), *self._all(name))
        spec = self._machine.states[name].spec
        # what was asked for before what, in rounds that are over, makes no difference
        return (*self.left(now), *self._asks(name)[len(spec.parts) :], *self._too_many(name))

    def left(self, now: Configuration) -> tuple[Input, ...]:
        """Return the rounds of one part that may follow: parts are run in the order in which they are declared."""
        spec, visit = self._machine.states[now.state].spec, now.visit
        assert visit is not None
        if not spec.parts or len(visit.asks) == spec.asks:
            return ()
        runs = [ask.request.part for ask in visit.asks.values() if isinstance(ask.request, RunPart)]
        names = [part.name for part in spec.parts]
        last = names.index(runs[-1]) if runs else 0
        may_run_again = runs.count(names[last]) < spec.parts[last].most
        return self._asks(now.state)[last if may_run_again else last + 1 : len(names)]

    def answers(self, now: Configuration, *, is_tight: bool) -> Iterator[Input]:
        """Yield all that may come of the round that is under way."""
        log, visit = _round(now)
        parts = []
        for number in log.numbers:
            ask = visit.asks[number]
            if ask.child is not None:
                parts.append(_stands(number, ask.child))
            elif ask.is_open:
                yield from self._answers(number, ask.is_asking_human, now.key_of(number))
        for part in parts if log.is_race else _in_order(parts, has_begun=log.succeeded + log.failed > 0):
            yield from self._moves(part, is_tight)
        yield from self._ends(now.state)

    def first_answers(self, now: Configuration) -> tuple[Input, ...]:
        """Return one answer to the first thing that is open, which spends nothing: a part lands.

        Where it decides whether a tool is used of which a policy speaks, a human may say no too.
        """
        number, ask = _first_open(now)
        if ask.child is not None:
            return (self._lands(number),)
        answers = self._answers(number, ask.is_asking_human, now.key_of(number))
        return answers if ask.is_gated and now.state in self._spoken else answers[:1]

    def spent(self, now: Configuration) -> Iterable[Input]:
        """Return what the first thing that is open may do: a part spends all of its share or nothing, and lands."""
        number, ask = _first_open(now)
        if ask.child is None:
            return self.first_answers(now)
        part = _stands(number, ask.child)
        if part.stands == "done":  # and the visit may time out now, before its agent acts again
            late = self._ends(now.state)[:1] if self._machine.states[now.state].may_time_out else ()
            return (self._lands(number), *late)
        if part.stands == "open":
            return self._moves(part, False)
        return (self._lands(number), *self._moves(part._replace(stands="later"), False))

    def _each(self, name: str) -> Iterator[Request]:
        spec = self._machine.states[name].spec
        yield from (RunPart(part=part.name, context=BEGINS) for part in spec.parts)
        # a tool that needs approval and one that does not: all else of a tool is nothing to the kernel
        spoken = self._spoken.get(name, ())
        kinds = {(tool.approval, tool.name if tool.name in spoken else ""): tool for tool in spec.tools}
        yield from (UseTool(name=tool.name) for tool in kinds.values())
        if spec.asks_human:
            yield AskHuman(question="?")

    def _together(self, name: str) -> Iterator[Input]:
        spec, each = self._machine.states[name].spec, tuple(self._each(name))
        others = [request for request in each if not isinstance(request, RunPart)]
        runs = [RunPart(part=p.name, context=BEGINS) for p in spec.parts for _ in range(min(p.most, SOME_RUNS))]
        every = (*others, *runs)[: spec.asks]
        if spec.kind == "map":
            yield inputs.Asked(requests=(), at=0.0)
        if len(every) > 1:
            # a while after the run began: the time of a part is told from that of the machine that runs it
            later = min(self._machine.states[name].visit_s, self._machine.deadline_s) / 4
            for need, is_race in ((0, False), (len(every), False), (1, True)):
                yield inputs.Asked(requests=every, need=need, is_race=is_race, at=later)
        for part in spec.parts:
            lands = RunPart(part=part.name, context=LANDS_AT_ONCE)
            yield inputs.Asked(requests=(lands,), need=1, at=0.0)
            if spec.asks > 1:
                yield inputs.Asked(requests=(lands, *every[: spec.asks - 1]), need=spec.asks, at=0.0)
        yield from self._too_many(name)

    def _beyond(self, name: str) -> Iterator[Input]:
        """Yield a round in which each part runs once more than it may, and one of more requests than there may be."""
        spec, each = self._machine.states[name].spec, tuple(self._each(name))
        for part in spec.parts:
            if part.most < spec.asks:
                runs = [RunPart(part=part.name, context=BEGINS)] * (part.most + 1)
                yield inputs.Asked(requests=tuple(runs), at=0.0)
        if each:
            yield inputs.Asked(requests=(each[0],) * (spec.asks + 1), at=0.0)

    def _ended(self, name: str) -> Iterator[Input]:
        """Yield how a visit may end while its round is under way."""
        if self._machine.states[name].may_time_out:
            yield inputs.Failed(reason="timeout", at=0.0)
        yield inputs.Failed(reason="timeout", at=self._machine.limits.deadline_s)
        yield inputs.Cancelled(at=0.0)


def filled(asks: int, parts: Mapping[str, CompiledPart], *, is_free: bool) -> Iterator[Input]:
    """Yield a round in which a visit runs all its parts, each of which uses all of its share, or nothing.

    Args:
        asks: how often it asks at most.
    """
    runs = [(name, part.share.tokens) for name, part in parts.items() for _ in range(part.most)]
    runs = sorted(runs, key=lambda run: -run[1])[:asks]
    if runs:
        yield inputs.Asked(requests=tuple(RunPart(part=name, context=BEGINS) for name, _ in runs), at=0.0)
    for number, (_, tokens) in enumerate(runs, 1):
        if tokens:
            yield _reserves(number, tokens)
            yield _settles(number, 0 if is_free else tokens)
        yield _lands(number)


def asked(visit: VisitLog) -> Hashable:
    """Return what decides how a visit goes on, of all that was asked for in it."""
    if not visit.asks:
        return visit.is_answered
    runs = Counter(ask.request.part for ask in visit.asks.values() if isinstance(ask.request, RunPart))
    return visit.is_answered, len(visit.asks), frozenset(runs.items()), under_way(visit)


def under_way(visit: VisitLog) -> Hashable:
    """Return where the round that is under way stands; None if there is none."""
    log = visit.round
    if log is None:
        return None
    stand = [_standing(number, visit.asks[number]) for number in log.numbers]
    # in a race they move in any order: those that stand alike are alike
    stands = frozenset(Counter(stand).items()) if log.is_race else tuple(stand)
    return log.need, log.is_race, log.succeeded, log.failed, stands


def _standing(number: int, ask: Ask) -> Hashable:
    if not ask.is_open:
        return None
    if ask.child is not None:
        return ask.share, _stands(number, ask.child).stands
    # which tool it is makes a difference until its use is begun
    return type(ask.request), ask.is_gated, ask.request.name if isinstance(ask.request, UseTool) else ""


def _round(now: Configuration) -> tuple[RoundLog, VisitLog]:
    visit = now.visit
    assert visit is not None
    assert visit.round is not None
    return visit.round, visit


def _first_open(now: Configuration) -> tuple[int, Ask]:
    log, visit = _round(now)
    number = next(number for number in log.numbers if visit.asks[number].is_open)
    return number, visit.asks[number]


def _stands(number: int, child: Configuration) -> _Part:
    assert child.visit is not None
    stands = "open" if child.visit.open else "done" if child.visit.calls or not child.visit.grant.tokens else "fresh"
    return _Part(number, child.ledger.limit.tokens, stands)


def _in_order(parts: Sequence[_Part], *, has_begun: bool) -> Iterator[_Part]:
    """Yield the parts that move next: the first one that is left; and before any has ended, those that may reserve."""
    if not parts:
        return
    yield parts[0]
    if has_begun or any(part.stands == "done" for part in parts if part.tokens):
        return
    last = max((n for n, part in enumerate(parts) if part.stands == "open"), default=0)
    yield from (part._replace(stands="later") for part in parts[last + 1 :] if part.stands == "fresh")


def _moves(part: _Part, *, is_tight: bool) -> Iterator[Input]:
    if part.stands == "open":
        yield _settles(part.number, part.tokens)
        if is_tight:
            yield _settles(part.number, 0)
        return
    if part.stands != "later":
        yield inputs.Replied(handoff=WELL, at=0.0, path=(part.number,))
        yield _lands(part.number)
    if part.stands in ("fresh", "later"):
        yield _reserves(part.number, part.tokens)


def _reserves(number: int, tokens: int) -> Input:
    return inputs.CallReserved(call=1, input_tokens=tokens, output_tokens=0, at=0.0, path=(number,))


def _settles(number: int, tokens: int) -> Input:
    return inputs.CallSettled(call=1, usage=Usage(requests=1, input_tokens=tokens), at=0.0, path=(number,))


def _lands(number: int) -> Input:
    return inputs.Cancelled(at=0.0, path=(number,))


def _answers(number: int, is_asking_human: bool, key: str) -> tuple[Input, ...]:
    by = BY if is_asking_human else key
    return (
        inputs.Answered(ask=number, id=by, value=True, at=0.0),
        inputs.Answered(ask=number, id=by, ok=False, at=0.0),
    )


def _one(request: Request) -> Input:
    return inputs.Asked(requests=(request,), at=0.0)
