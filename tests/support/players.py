"""Agents that play random nests: they ask models, tools, parts and humans, take their time, fail, and are stopped.

What a player does hangs on a seed, on its visit's key and on its context, and on nothing else. So however the machines
of a nest are interleaved, each visit does the same.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from support.nests import nest, tape

from fsm_orch import Machine, Message, Reply, Response, Runner, RunResult, State, Usage, Visit
from fsm_orch.agents.base import Round
from fsm_orch.amounts import FREE
from fsm_orch.define.definition import Definition
from fsm_orch.errors import CallDenied, CallFailed, DefinitionError
from fsm_orch.kernel.requests import AskHuman, Request, RunPart, UseTool


def chance_of(*what: object) -> random.Random:
    """Return chance that is the same for the same things, in every process."""
    return random.Random(zlib.crc32(repr(what).encode()))


class Provider:
    """A model that takes its time, and may fail, keep its usage to itself, or use more than it may."""

    name = "players:stub"
    price = FREE

    def __init__(self, seed: int, *, is_kind: bool) -> None:
        self._chance = chance_of("provider", seed)
        self._is_kind = is_kind

    async def count(self, request: Any) -> int:
        return self._chance.randrange(30)

    async def complete(self, request: Any) -> Response:
        if self._is_kind:
            await asyncio.sleep(self._chance.random() / 100)
            return Response(text="", usage=Usage(requests=1, input_tokens=7, output_tokens=7))
        await asyncio.sleep(self._chance.random())
        used = self._chance.randrange(20)
        if self._chance.random() < 0.1:
            raise CallFailed("overloaded", unsent=self._chance.random() < 0.5)
        if self._chance.random() < 0.01:
            return Response(text="", usage=Usage(requests=1, input_tokens=30, output_tokens=90))
        return Response(text="", usage=Usage(requests=1, input_tokens=used, output_tokens=used))


class Player:
    """An agent that does what chance says.

    Args:
        state: whose place it takes.
        seed: decides what each visit does.
        pace: decides how long everything takes.
        is_kind: nothing fails or is late, and no round is decided before its end.
        begins: called with the key of each visit whose agent begins.
    """

    def __init__(
        self, state: State, seed: int, pace: random.Random, *, is_kind: bool, begins: Callable[[str], object]
    ) -> None:
        self.spec = state.spec
        self._seed = seed
        self._pace = pace
        self._is_kind = is_kind
        self._begins = begins

    async def act(self, visit: Visit[Any]) -> Reply | Round:
        self._begins(visit.key)
        chance = chance_of(self._seed, visit.key, visit.attempt)
        await self._takes_time(chance)
        if self.spec.calls and chance.random() < 0.7:
            await self._call(visit, chance)
        if not self._is_kind and chance.random() < 0.05:
            raise RuntimeError("a player fell over")
        asked = list(self._requests(visit, chance)) if self.spec.asks and not visit.is_answered else []
        if asked:
            is_race = not self._is_kind and chance.random() < 0.4
            need = 0 if self._is_kind or chance.random() < 0.4 else 1 + chance.randrange(len(asked))
            return Round(tuple(asked), need=need, is_race=is_race and need > 0)
        exits = visit.exits
        return Reply(
            handoff=exits[chance.randrange(len(exits))],
            changes={ref: f"{visit.state.name} {chance.randrange(9)}" for ref in self.spec.writes},
        )

    async def use(self, visit: Visit[Any], request: UseTool, key: str) -> Any:
        chance = chance_of(self._seed, key)
        await self._takes_time(chance)
        if not self._is_kind and chance.random() < 0.2:
            raise RuntimeError("a tool broke")
        return {"key": key}

    async def _takes_time(self, chance: random.Random) -> None:
        if chance.random() < 0.3:
            return
        try:
            await asyncio.sleep(self._pace.random() / (100 if self._is_kind else 1))
        except asyncio.CancelledError:
            if chance.random() < 0.5:  # it cleans up
                await asyncio.sleep(self._pace.random() / 2)
            raise

    async def _call(self, visit: Visit[Any], chance: random.Random) -> None:
        for _ in range(1 + chance.randrange(2)):
            try:
                await visit.model.ask((Message(role="user", content="?"),))
            except (CallDenied, CallFailed):
                return

    def _requests(self, visit: Visit[Any], chance: random.Random) -> Iterator[Request]:
        room = self.spec.asks - len(visit.asks)
        runs = [each.request.part for each in visit.asks.values() if isinstance(each.request, RunPart)]
        for part in self.spec.parts:
            for _ in range(part.most - runs.count(part.name)):
                if room and chance.random() < 0.8:
                    room -= 1
                    yield RunPart(part=part.name, context={"count": chance.randrange(9)})
        if self.spec.asks_human and room and (self.spec.must_ask or chance.random() < 0.5):
            room -= 1
            yield AskHuman(question="?")
        if self.spec.tools and room:
            yield UseTool(name=chance.choice(self.spec.tools).name)


def all_states(definition: Definition) -> Iterator[State]:
    """Yield each state in the tree of a machine."""
    for state in definition.states.values():
        yield state
        for part in state.spec.parts:
            yield from all_states(part.definition)


def machine(seed: int, depth: int = 3) -> type[Machine[Any]]:
    """Build a random nest; the next that builds, if the one of this seed does not."""
    while True:
        try:
            return nest(tape(seed), depth, is_tight=seed % 3 == 0)
        except DefinitionError:  # money for a way on is missing
            seed += 10_000


def runner(
    machine: type[Machine[Any]],
    seed: int,
    *,
    pace: int = 0,
    is_kind: bool = False,
    begins: Callable[[str], object] = len,
    **options: Any,
) -> Runner[Any, Any]:
    """Return a runner whose states, all the way down, are played.

    Args:
        seed: decides what is done.
        pace: decides how long it takes.
    """
    speed = chance_of("pace", pace)
    players = {
        state: Player(state, seed, speed, is_kind=is_kind, begins=begins) for state in all_states(machine.definition)
    }
    return Runner(machine, model=Provider(pace, is_kind=is_kind), agents=players, **options)


async def answered(runner: Runner[Any, Any], result: RunResult[Any], seed: int) -> RunResult[Any]:
    """Answer whatever a run asks humans, one question after the other in a random order, until it has ended.

    Args:
        seed: decides their order; the answer to each is always the same.
    """
    order = chance_of("human", seed)
    while result.status == "waiting":
        question = order.choice(result.waiting)
        is_yes = chance_of("answer", question.key).random() < 0.7
        result = await runner.resume(result.run_id, is_yes, question=question)
    return result
