"""Which model each call asked, as records tell it: of a state, a fallback, a part, and a run that goes on elsewhere."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fsm_orch import (
    CallFailed,
    Context,
    Fallback,
    Final,
    HumanAgent,
    LLMAgent,
    Machine,
    MemoryStore,
    Nested,
    Runner,
    State,
)
from fsm_orch import ScriptedModel as Scripted
from fsm_orch.kernel import inputs
from fsm_orch.kernel.records import CallReserved, CallSettled, Record
from fsm_orch.kernel.step import fold_recorded

pytestmark = pytest.mark.looptime
DOWN = CallFailed("down", transient=True)


class Question(Context):
    """What is asked."""

    text: str = ""
    answer: str | None = None


class Inner(Machine[Question]):
    """Asks a model inside."""

    think = State(LLMAgent("Think.", writes=Question.answer), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = think.to(done)


class Outer(Machine[Question]):
    """Asks a model, and has another machine ask one."""

    first = State(LLMAgent("Ask."), initial=True)
    inside = State(Nested(Inner, writes=Question.answer))
    done = Final()
    human = Final(fallback=True)
    on = first.to(inside)
    end = inside.to(done)
    lost = inside.on_failure(done)


def asked(records: tuple[Record, ...]) -> list[tuple[str | None, str | None]]:
    """Return model and provider of each call, as its reservation and its end say them."""
    told = [[(r.model, r.provider) for r in records if isinstance(r, kind)] for kind in (CallReserved, CallSettled)]
    assert sorted(told[0], key=str) == sorted(told[1], key=str)
    return told[0]


async def test_a_part_asks_the_model_that_its_state_has() -> None:
    """The run names its models by where their states are in the tree; the journal names none again for each call."""
    model = Scripted([{"handoff": "on"}, {"answer": "x"}], name="scripted:one")
    result = await Runner(Outer, model=model).run(Question())

    assert isinstance(started := result.journal[0], inputs.Started)
    assert {"first": "scripted:one", "inside.Inner.think": "scripted:one"} == started.models
    assert [("scripted:one", "scripted")] * 2 == asked(result.records)
    assert [None, None] == [event.model for event in result.journal if isinstance(event, inputs.CallReserved)]


async def test_of_a_fallback_the_one_that_is_asked_is_told() -> None:
    """Each call of a fallback names the model that it asks, not the whole of it."""
    models = Fallback(Scripted([DOWN], name="a:x"), Scripted([{"answer": "x"}], name="plain"))
    result = await Runner(Inner, model=models).run(Question())

    assert [("a:x", "a"), ("plain", None)] == asked(result.records)


class Asking(Machine[Question]):
    """Asks a human, and then a model."""

    ask = State(HumanAgent("May I?"), initial=True)
    think = State(LLMAgent("Think.", writes=Question.answer))
    done = Final()
    human = Final(fallback=True)
    yes = ask.to(think)
    end = think.to(done)


async def test_a_run_that_another_model_goes_on_with_says_so() -> None:
    """A runner with another model than the run began on names that one for its calls."""
    store = MemoryStore()
    old = Runner(Asking, model=Scripted([], name="old:m"), store=store)
    new = Runner(Asking, model=Scripted([{"answer": "x"}], name="new:m"), store=store)
    waiting = await old.run(Question())
    result = await new.resume(waiting.run_id, "yes")

    assert [("new:m", "new")] == asked(result.records)
    assert result.records == new.replay(result.journal).records


async def test_a_journal_that_names_no_models_still_folds() -> None:
    """Of a run that was begun before journals named models, records name none."""
    runner = Runner(Inner, model=Scripted([{"answer": "x"}]))
    first, *rest = (await runner.run(Question())).journal
    assert isinstance(first, inputs.Started)
    _, records = fold_recorded(runner.compiled, (replace(first, models={}), *rest))

    assert [(None, None)] == asked(records)
