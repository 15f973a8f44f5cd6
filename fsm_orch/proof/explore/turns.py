"""Rounds as an adversary plays them: what an agent may ask for, and what may come of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import cache, lru_cache

from ...kernel import inputs
from ...kernel.configuration import Ask, Configuration, VisitLog
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...kernel.requests import AskHuman, Request, UseTool


class Rounds:
    """The rounds of one machine, whose agents ask for tools and humans alone."""

    def __init__(self, compiled: CompiledMachine) -> None:
        self._machine = compiled
        # the same inputs are handed out again, and not equal copies: the tree knows an input by its identity
        self.of = lru_cache(maxsize=None)(self._listed)
        self._answers = lru_cache(maxsize=None)(self._to)

    def answers(self, now: Configuration) -> Iterator[Input]:
        """Yield all that may come of the round that is under way."""
        visit = now.visit
        assert visit is not None
        assert visit.round is not None
        for number in visit.round.numbers:
            if visit.asks[number].is_open:
                yield from self._answers(number, visit.asks[number].is_asking_human, now.key_of(number))
        yield from self._ends(now.state)

    def _listed(self, name: str) -> tuple[Input, ...]:
        """Return a round for each thing that an agent may ask for; of tools, one of each kind."""
        spec = self._machine.states[name].spec
        tools = {tool.approval: tool for tool in spec.tools}.values()
        requests: list[Request] = [UseTool(name=tool.name) for tool in tools]
        if spec.asks_human:
            requests.append(AskHuman(question="?"))
        return tuple([inputs.Asked(requests=(request,), at=0.0) for request in requests])

    def _to(self, number: int, is_asking_human: bool, key: str) -> tuple[Input, ...]:
        by = "somebody" if is_asking_human else key
        return (
            inputs.Answered(ask=number, id=by, value=True, at=0.0),
            inputs.Answered(ask=number, id=by, ok=False, at=0.0),
        )

    @cache  # noqa: B019 - it lives as long as the exploration
    def _ends(self, name: str) -> tuple[Input, ...]:
        """Return how a visit may end while its round is under way."""
        found: list[Input] = []
        if self._machine.states[name].may_time_out:
            found.append(inputs.Failed(reason="timeout", at=0.0))
        found.append(inputs.Failed(reason="timeout", at=self._machine.limits.deadline_s))
        found.append(inputs.Cancelled(at=0.0))
        return tuple(found)


def asked(visit: VisitLog) -> Hashable:
    """Return what decides how a visit goes on, of all that was asked for in it."""
    if not visit.asks:
        return visit.is_answered
    open_asks = tuple([_kind(ask) for ask in visit.asks.values() if ask.is_open])
    return visit.is_answered, len(visit.asks), visit.round is not None, open_asks


def _kind(ask: Ask) -> Hashable:
    return type(ask.request), ask.is_gated
