"""A journal leads where its run went: `Runner.replay`."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, PlainSerializer, field_serializer
from support.desk import Support, Ticket

from fsm_orch import Context, Final, Limits, Machine, Preset, Runner, ScriptedModel, State, Visit, to_json
from fsm_orch.amounts import FREE
from fsm_orch.errors import StepError
from fsm_orch.observe import record_from_json
from fsm_orch.run.result import RunResult
from fsm_orch.store import input_from_json
from fsm_orch.testing import runs
from machines.shop import ShopFloor


@settings(max_examples=50, deadline=None)
@given(runs(ShopFloor))
def test_a_replay_is_the_live_result(live: RunResult) -> None:  # type: ignore[type-arg]
    """Whatever agents and models did, the journal alone leads to the same result, records and all but the error."""
    runner = Runner(ShopFloor, model=ScriptedModel([], price=FREE))

    assert replace(live, error=None) == runner.replay(live.journal)


def test_a_journal_is_replayed_within_its_own_limits() -> None:
    """Limits are part of what was run, whatever the runner that replays was given."""
    model = ScriptedModel([{"handoff": "to_billing"}] * 9)
    live = Runner(Support, model=model, limits=Limits(hops=5, tokens=2_000)).run_sync(Ticket(query="x"))

    replayed = Runner(Support, model=ScriptedModel([])).replay(live.journal)

    assert replace(live, error=None) == replayed


def test_a_path_ends_with_the_landing() -> None:
    """Each hop says where it led and by which handoff; the landing was by none, and is told once more with its why."""
    model = ScriptedModel([{"handoff": "to_billing"}, {"handoff": "none_of_these"}])

    landed = Runner(Support, model=model).run_sync(Ticket(query="x"))
    went = Runner(Support, model=ScriptedModel([{"handoff": "resolved"}])).run_sync(Ticket(query="x"))

    assert landed.landing is not None
    assert (("triage", "to_billing", "billing"), ("billing", None, "human")) == landed.path
    assert ("declined", "none of the handoffs of 'billing' was taken") == landed.landing
    assert ["triage -to_billing-> billing", "billing -landing-> human"] == [str(hop) for hop in landed.path]
    assert ((("triage", "resolved", "answered"),), None) == (went.path, went.landing)


def test_a_journal_cut_off_says_where_the_run_stood() -> None:
    """Each prefix of a journal is a moment of its run: the path grows hop by hop, and only the whole has an end."""
    live = Runner(Support, model=ScriptedModel([{"handoff": "to_billing"}] * 9)).run_sync(Ticket(query="x"))
    runner = Runner(Support, model=ScriptedModel([]))

    moments = [runner.replay(live.journal[:length]) for length in range(1, len(live.journal) + 1)]

    assert Support.triage is moments[0].state
    assert all(moment.path == live.path[: len(moment.path)] for moment in moments)
    assert sorted(len(moment.path) for moment in moments) == [len(moment.path) for moment in moments]
    assert live.state is moments[-1].state


def test_what_is_no_journal_of_this_machine_is_refused() -> None:
    """Nothing, an end without a beginning, and another machine's journal are errors that say which."""
    live = Runner(Support, model=ScriptedModel([{"handoff": "to_billing"}] * 9)).run_sync(Ticket(query="x"))
    runner = Runner(Support, model=ScriptedModel([]))

    with pytest.raises(StepError, match="the journal is empty"):
        runner.replay(())
    with pytest.raises(StepError, match="came first"):
        runner.replay(live.journal[1:])
    with pytest.raises(StepError, match=r"was started on definition .*, and ShopFloor is now"):
        Runner(ShopFloor, model=ScriptedModel([])).replay(live.journal)


NUMBERS = count()


class Part(Context):
    """What stands inside another."""

    label: Annotated[str, AfterValidator(str.strip)] = Field(" a ", alias="name")
    when: datetime = datetime(2020, 1, 2, tzinfo=UTC)


class Odd(Context):
    """Fields whose form in JSON is another than their own, or another each time."""

    text: Annotated[str, AfterValidator(str.lower)]
    number: int = Field(default_factory=lambda: next(NUMBERS))
    identity: UUID = Field(default_factory=uuid4)
    price: Decimal = Decimal("1.50")
    rounded: Annotated[float, PlainSerializer(lambda held: round(held, 2), return_type=float)] = 0.0
    louder: Annotated[str, AfterValidator(lambda held: held if held.endswith("!") else held + "!")] = ""
    span: timedelta = timedelta()
    chosen: frozenset[int] = frozenset()
    part: Part = Part()
    log: Preset[tuple[int, ...]] = ()

    @field_serializer("price")
    def as_text(self, held: Decimal) -> str:
        return str(held)


WRITES: Mapping[Any, st.SearchStrategy[Any]] = {
    Odd.number: st.integers(),
    Odd.identity: st.uuids(),
    Odd.price: st.decimals(allow_nan=False, allow_infinity=False),
    Odd.rounded: st.floats(allow_nan=False, allow_infinity=False),
    Odd.louder: st.text(max_size=3),
    Odd.span: st.timedeltas(),
    Odd.chosen: st.frozensets(st.integers(0, 99)),
    Odd.part: st.builds(
        Part, name=st.text(max_size=3), when=st.datetimes(timezones=st.just(timezone(timedelta(hours=2))))
    ),
}


def fill(visit: Visit[Odd, st.DataObject]) -> dict[Any, Any]:
    """Write something into every field."""
    drawn = {field: visit.deps.draw(values) for field, values in WRITES.items()}
    return {**drawn, Odd.log: (*visit.context.log, len(visit.context.log))}


class Filling(Machine[Odd, st.DataObject]):
    """Writes odd fields twice."""

    first = State(fill, initial=True, reads=Odd.log, writes=(*WRITES, Odd.log))
    second = State(fill, reads=Odd.log, writes=(*WRITES, Odd.log))
    done = Final()
    human = Final(fallback=True)
    on = first.to(second)
    end = second.to(done)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=5), data=st.data())
def test_odd_fields_are_replayed_from_json(text: str, data: st.DataObject) -> None:
    """Whatever validators, serializers, factories and aliases do to a field, its journal in JSON leads to the same."""
    live = Runner(Filling).run_sync(Odd(text=text), deps=data)
    journal = [input_from_json(to_json(event)) for event in live.journal]
    replayed = Runner(Filling).replay(journal)

    assert replace(live, error=None) == replayed
    assert repr(live.context) == repr(replayed.context)
    assert list(live.records) == [record_from_json(to_json(record)) for record in live.records]
