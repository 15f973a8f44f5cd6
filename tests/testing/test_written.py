"""T6 along one run, at every level: what is read and taken was written, and branches come together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test
from msgspec import structs
from support.branches import All, Two
from support.desk import Ticket
from test_safety import QUICK

from fsm_orch import Context, Final, Machine, Nested, Parallel, Reply, Runner, State, Visit
from fsm_orch.agents.base import PlainAgent
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.context import FieldRef
from fsm_orch.define.parts import Join, Part
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.records import HandedOff, Record, VisitStarted
from fsm_orch.testing import RoutingSafety, TheoremChecker
from fsm_orch.testing.ready import assert_replays
from fsm_orch.testing.written import Written
from machines.research import Research
from machines.travel import Travel


class Fare(Context):
    """What crosses."""

    place: str
    flight: str | None = None
    note: str | None = None


def find(visit: Visit[Fare]) -> dict[Any, Any]:
    """Find a flight, if there is one."""
    if visit.context.place == "nowhere":
        raise ValueError(visit.context.place)
    return {Fare.flight: f"to {visit.context.place}"}


def read(visit: Visit[Fare]) -> dict[Any, Any]:
    """Read what was found."""
    return {Fare.note: visit.context.flight}


def guess(visit: Visit[Fare]) -> dict[Any, Any]:
    """Guess."""
    return {Fare.note: visit.context.place}


class Flights(Machine[Fare]):
    """Find a flight, and read it."""

    look = State(find, reads=Fare.place, writes=Fare.flight, initial=True)
    check = State(read, reads=Fare.flight, writes=Fare.note)
    booked, human = Final(), Final(fallback=True)
    on, done = look.to(check), check.to(booked)


class Trip(Machine[Fare]):
    """A machine around it."""

    fly = State(Nested(Flights, writes=(Fare.flight, Fare.note)), initial=True)
    end, human = Final(), Final(fallback=True)
    on = fly.to(end)


def told(machine: Any, context: Context) -> tuple[Record, ...]:
    """Return the records of a run."""
    return Runner(machine).run_sync(context).records


def spoilt(kind: type, path: tuple[int, ...], **changes: Any) -> list[Record]:
    """Return the records of a trip, of which those of a kind at a path are changed."""
    return [
        structs.replace(record, **changes) if isinstance(record, kind) and record.stamp.path == path else record
        for record in told(Trip, Fare(place="Rome"))
    ]


def test_a_sound_run_passes() -> None:
    """What a machine inside another wrote may be read there, and taken from it."""
    Written(Trip.definition).follow(told(Trip, Fare(place="Rome")))


def test_what_is_taken_was_written_inside() -> None:
    """A part that has ended well, and by its records wrote another field, breaks T6 where the field is taken."""
    # the last handoff inside is said to be a failure edge's, which writes nothing
    lost = [
        structs.replace(record, handoff="lost", written=())
        if isinstance(record, HandedOff) and record.handoff == "done"
        else record
        for record in told(Trip, Fare(place="Rome"))
    ]

    with pytest.raises(AssertionError, match=r"T6: 'fly' takes \['note'\] from 'Flights', which ended well without"):
        Written(Trip.definition).follow(lost)


def test_what_is_read_inside_was_written_there() -> None:
    """A machine inside another has read nothing that only the one around it wrote."""
    elsewhere = [
        structs.replace(record, stamp=structs.replace(record.stamp, state="check"))
        if isinstance(record, VisitStarted) and record.stamp.path == (1,)
        else record
        for record in told(Trip, Fare(place="Rome"))
    ]

    with pytest.raises(AssertionError, match=r"T6: 'check' reads \['flight'\], which no visit has written"):
        Written(Trip.definition).follow(elsewhere)


def test_a_handoff_inside_writes_what_is_declared() -> None:
    """No fewer fields than its agent declares, and no others."""
    for written in ((), ("flight", "note")):
        with pytest.raises(AssertionError, match="T6: 'on' wrote"):
            Written(Trip.definition).follow(spoilt(HandedOff, (1,), written=written))


class Some(Machine[Fare]):
    """Two branches, of which one is enough."""

    fan = State(
        Parallel(
            State(find, reads=Fare.place, writes=Fare.flight),
            State(guess, reads=Fare.place, writes=Fare.note),
            join=1,
            tolerate=True,
        ),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    on = fan.to(done)


def test_what_only_some_of_the_branches_wrote_may_be_left_out() -> None:
    """Of two branches that write different fields, of which one is enough, no field is sure; the kit knows that too."""
    result = Runner(Some).run_sync(Fare(place="nowhere"))

    assert Some.done is result.state
    assert ("nowhere", None) == (result.context.note, result.context.flight)
    assert_replays(Some, result)


def test_a_quorum_is_safe() -> None:
    """The ready suite passes on branches that need not all end well."""
    run_state_machine_as_test(RoutingSafety(Some), settings=QUICK)


class Fan(PlainAgent):
    """An agent of a user's own with branches."""

    def __init__(self, **options: Any) -> None:
        self.spec = AgentSpec(kind="code", name="Fan", asks=2, must_ask=True, canonical={}, **options)

    def begin(self, visit: Visit[Any, Any]) -> Reply:
        return Reply()


def answer(visit: Visit[Ticket]) -> dict[Any, Any]:
    """Answer."""
    return {Ticket.answer: visit.context.query}


class Note(Machine[Ticket]):
    """Writes an answer."""

    work = State(answer, reads=Ticket.query, writes=Ticket.answer, initial=True)
    done, human = Final(), Final(fallback=True)
    on = work.to(done)


ANSWER, QUERY, INVOICE = FieldRef(Ticket, "answer"), FieldRef(Ticket, "query"), FieldRef(Ticket, "invoice")


def part(name: str, **options: Any) -> Part:
    return Part(name=name, definition=Note.definition, **{"given": {"query": QUERY}, **options})


def machine_of(spec: Callable[[], Fan]) -> Any:
    class Desk(Machine[Ticket]):
        """A desk."""

        fan = State(spec(), initial=True)
        done, human = Final(), Final(fallback=True)
        on = fan.to(done)

    return Desk


@pytest.mark.parametrize(
    ("need", "taken", "said"),
    [
        (1, ("answer", "invoice"), "'fan' is said to write 'answer', and 1 of its branches may end without it"),
        (2, ("answer", "answer"), r"the branches \['a', 'b'\] of 'fan' all write 'answer', and nothing merges it"),
    ],
)
def test_branches_come_together(need: int, taken: tuple[str, str], said: str) -> None:
    """A field is sure only if of any branches that are enough one writes it, and two write one only with a merge."""
    whole = machine_of(
        lambda: Fan(
            reads=(QUERY,),
            writes=tuple(FieldRef(Ticket, name) for name in dict.fromkeys(taken)),
            parts=tuple(part(name, taken={field: "answer"}) for name, field in zip("ab", taken, strict=True)),
        )
    ).definition
    fan = whole.states["fan"]
    object.__setattr__(fan.spec, "join", Join(need=need))

    with pytest.raises(AssertionError, match=f"T6: {said}"):
        TheoremChecker(CompiledMachine(whole))


def test_a_part_is_given_what_is_read() -> None:
    """A field that its agent does not read is not known to have been written."""
    whole = machine_of(lambda: Fan(parts=(part("a", given={"query": QUERY}),))).definition

    with pytest.raises(AssertionError, match=r"T6: 'fan' gives \['query'\] to 'a', and does not read it"):
        TheoremChecker(CompiledMachine(whole))


@pytest.mark.parametrize("machine", [All, Two, Research, Travel])
def test_machines_of_ours_come_together(machine: Any) -> None:
    """Those with branches, races, quorums and nested machines pass."""
    Written(machine.definition)
