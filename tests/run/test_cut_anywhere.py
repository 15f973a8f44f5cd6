"""Runs of every kind, whose process ended after each of their inputs in turn: a new runner goes on to the same end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from support import asking, branches, composed, levels
from support.kept import keep

from fsm_orch import (
    Context,
    Final,
    LLMAgent,
    Machine,
    Map,
    MemoryStore,
    Response,
    Runner,
    RunResult,
    State,
    Usage,
    Visit,
)
from fsm_orch.amounts import FREE
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Act, UseTool
from fsm_orch.kernel.inputs import Answered, Failed, Input
from fsm_orch.kernel.step import fold
from fsm_orch.kernel.tree import levels as levels_of
from fsm_orch.models import Request
from fsm_orch.run.waiting import Question
from fsm_orch.testing import TheoremChecker, virtual_time
from machines import refund, research, travel
from machines.till import Till


class ByForm:
    """A model that fills in whatever form it is given, in a second, so that no answer hangs on those before it."""

    name = "form:stub"
    price = FREE

    async def count(self, request: Request) -> int:
        return 10

    async def complete(self, request: Request) -> Response:
        await asyncio.sleep(1)
        return Response(
            text=json.dumps(filled(request.schema or {})), usage=Usage(requests=1, input_tokens=5, output_tokens=5)
        )


def filled(schema: Any) -> dict[str, Any]:
    """Fill in a form: of what can be chosen the first, else the name of the field; so a tool before a decision."""
    return {name: _first(of, name) for name, of in schema.get("properties", {}).items()}


def _first(of: Any, name: str) -> Any:
    options = [one for one in of.get("anyOf", [of]) if one.get("type") != "null"]
    if "properties" in options[0]:
        return filled(options[0])
    return options[0]["enum"][0] if "enum" in options[0] else name


def answer_to(question: Question) -> Any:
    """Answer a human's question: with a yes, or as its form has it."""
    return True if question.tool is not None else filled(question.form) or "said"


class Kind(NamedTuple):
    """A machine, and what a run of it begins with."""

    machine: type[Machine[Any]]
    first: Context
    deps: Callable[[Sequence[Input]], Any] = lambda journal: None
    """Makes the world in which a run goes on, by what is stored of the run."""


class Item(Context):
    """What is read of one item."""

    url: str
    note: str | None = None


async def read(visit: Visit[Item]) -> Any:
    """Read for as many seconds as the item has letters."""
    await asyncio.sleep(len(visit.context.url))
    return {Item.note: visit.context.url.upper()}


def mapped(work: Any) -> type[Machine[composed.Report]]:
    """Make a machine that maps over addresses."""
    agent = Map(work, over=composed.Report.urls, item=Item.url, into=composed.Report.notes, result=Item.note, most=4)
    return composed.of(agent)


class Chain(Machine[levels.Text]):
    """Three models, one after the other."""

    find = State(LLMAgent("Find.", reads=levels.Text.query, writes=levels.Text.low), initial=True)
    weigh = State(LLMAgent("Weigh.", reads=levels.Text.low, writes=levels.Text.middle))
    tell = State(LLMAgent("Tell.", reads=levels.Text.middle, writes=levels.Text.high))
    done, human = Final(), Final(fallback=True)
    flow = find >> weigh >> tell >> done


# short enough to be done twice: the time that was spent before a process ended is spent
PLAN = branches.Trip(plan=json.dumps({"a": [1, True], "b": [1.5, True], "c": [0.5, False]}))
WELL = branches.Trip(plan=json.dumps({"a": [1, True], "b": [2, True]}))
URLS = composed.Report(topic="tea", urls=("aa", "b", "aaa", "b"))
TILL = Till({1041: 4_900})


def till_of(journal: Sequence[Input]) -> Till:
    """Return a till of its own, out of which only that was paid which a journal says."""
    till = Till(TILL.orders)
    for event in journal:
        if isinstance(event, Answered) and event.value == "paid":
            till.paid[1041] = refund.Payment(4_900, "it arrived broken", event.id)
    return till


KINDS = {
    "all": Kind(branches.All, WELL),
    "one of all fails": Kind(branches.All, PLAN),
    "race": Kind(branches.First, PLAN),
    "two of three": Kind(branches.Two, PLAN),
    "tolerant": Kind(branches.Tolerant, PLAN),
    "parallel in a nested machine": Kind(branches.Outer, WELL),
    "three levels of models": Kind(levels.High, levels.Text(query="x")),
    "two models at once": Kind(levels.Two, levels.Text(query="x")),
    "model beside slow code": Kind(levels.Mixed, levels.Text(query="x")),
    "a race, twice": Kind(levels.Laps, levels.Lap(query="x")),
    "chain": Kind(Chain, levels.Text(query="x")),
    "map of code": Kind(mapped(State(read, reads=Item.url, writes=Item.note, timeout_s=9)), URLS),
    "map of models": Kind(mapped(LLMAgent("Sum up.", reads=Item.url, writes=Item.note)), URLS),
    "human": Kind(asking.Refunds, asking.Claim(query="x")),
    "two humans at once": Kind(asking.Both, asking.Pair(query="x")),
    "tool": Kind(asking.clerk("look", repeatable=True), asking.Claim(query="x")),
    "tool that needs approval": Kind(asking.clerk("pay", approval=True, repeatable=True), asking.Claim(query="x")),
    "tool that must not be used twice": Kind(asking.clerk("pay", approval=True), asking.Claim(query="x")),
    "refund": Kind(refund.Refunds, refund.Claim(query="Order 1041"), till_of),
    "refund that was paid already": Kind(refund.Refunds, refund.Claim(query="Order 1041"), lambda journal: TILL),
    "research": Kind(research.Research, research.Report(question="What does the with statement do?")),
    "travel": Kind(travel.Travel, travel.Trip(wish="fjords")),
}


def gone_on(kind: Kind, journal: Sequence[Input] = ()) -> RunResult[Any]:
    """Run in virtual time to the end; or go on, in a new runner, with what a store holds of a run."""

    async def going_on() -> RunResult[Any]:
        runner, deps = Runner(kind.machine, model=ByForm(), store=(store := MemoryStore())), kind.deps(journal)
        if journal:
            await keep(runner, "r", journal)
            result = await runner.resume("r", deps=deps)
        else:
            result = await runner.run(kind.first, run_id="r", deps=deps)
        while result.waiting:
            question = result.waiting[0]
            result = await runner.resume("r", answer_to(question), question=question, deps=deps)
        assert {asyncio.current_task()} == asyncio.all_tasks()
        assert result.journal == await store.load("r")
        return result

    with virtual_time() as loop:
        return loop.run(going_on())


@pytest.mark.parametrize("name", KINDS)
def test_a_run_cut_after_any_input_comes_to_the_same_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same state, context and hops if code is repeatable; a lost call is charged, of a tool nobody may know."""
    monkeypatch.setattr(State, "acts_once", False)
    kind = KINDS[name]
    whole, compiled = gone_on(kind), Runner(kind.machine, model=ByForm()).compiled
    assert (whole.status, whole.landing) == ("finished", None)
    for count in range(1, len(whole.journal)):
        begun = whole.journal[:count]
        result = gone_on(kind, begun)

        assert (result.state, [*map(str, result.path)]) == (whole.state, [*map(str, whole.path)]), count
        assert result.journal[:count] == begun, count
        end = TheoremChecker(compiled).follow_all(result.journal)
        assert ("finished", 0) == (end.status, end.ledger.reserved.tokens), count
        assert end.ledger.settled.tokens >= whole.charged_tokens, count
        used = [effect for effect in due(fold(compiled, begun)) if isinstance(effect, UseTool)]
        if used and name == "tool that must not be used twice":
            assert "outcome unknown" in result.context.note
        else:
            assert result.context == whole.context, count


@pytest.mark.parametrize("name", KINDS)
def test_code_that_may_have_begun_is_not_begun_again(name: str) -> None:
    """After a crash at any input it has failed, and nothing else has; the run ends by an edge for it, or lands."""
    kind = KINDS[name]
    whole, compiled = gone_on(kind), Runner(kind.machine, model=ByForm()).compiled
    for count in range(1, len(whole.journal)):
        begun = whole.journal[:count]
        now = fold(compiled, begun)
        acts = [effect for effect in due(now) if isinstance(effect, Act)]
        once = {act for act in acts if levels_of(compiled, now, act.path)[-1].compiled.states[act.state].acts_once}
        result = gone_on(kind, begun)
        added = result.journal[count:]

        unknown = [event for event in added if isinstance(event, Failed) and event.reason == "outcome_unknown"]
        assert {event.path for event in unknown} <= {act.path for act in once}, count
        assert bool(unknown) == bool(once), count
        end = TheoremChecker(compiled).follow_all(result.journal)
        assert ("finished", 0) == (end.status, end.ledger.reserved.tokens), count
