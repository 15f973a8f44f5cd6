"""Machines that run inside a state: where the run goes from their ends, and what is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.composed import Flights, Report, Trip, note, run, writer

from fsm_orch import Context, Final, Machine, Map, Nested, Parallel, Runner, State


class Holiday(Context):
    """A holiday, with other names."""

    place: str
    plane: str | None = None
    price: int = 0


class Travel(Machine[Holiday]):
    """A desk around it."""

    happy, poor, sad, human = Final(), Final(), Final(), Final(fallback=True)
    fly = State(
        Nested(
            Flights,
            give={Trip.wish: Holiday.place},
            take={Holiday.plane: Trip.flight},
            writes=Holiday.price,
            ends={Flights.booked: happy, Flights.dear: poor},
        ),
        initial=True,
    )
    well, badly = fly.to(happy), fly.to(poor)
    failed = fly.on_failure(sad)


@pytest.mark.parametrize(
    ("place", "state", "plane", "price"),
    [("Oslo", "happy", "to Oslo", 40), ("Constantinople", "poor", "to Constantinople", 140), ("", "sad", None, 0)],
)
async def test_a_nested_machine_decides_where_the_run_goes(
    place: str, state: str, plane: str | None, price: int
) -> None:
    """Fields cross under both names, and each good end leads on its way; a failed one takes the failure edge."""
    result = await Runner(Travel).run(Holiday(place=place))

    assert (result.state.name, result.context.plane, result.context.price) == (state, plane, price)
    assert len(result.path) == 1


async def test_nests_are_as_deep_as_they_are_written() -> None:
    """A machine in a machine in a branch is what it is alone, and its records say where it is."""

    class Outer(Machine[Trip]):
        """Runs the desk inside."""

        fly = State(Nested(Flights, writes=(Trip.flight, Trip.price)), initial=True)
        done, none = Final(), Final(fallback=True)
        flow = fly >> done

    agent = Parallel(
        Nested(Outer, give={Trip.wish: Report.topic}, take={Report.news: Trip.flight}), writer(Report.papers, "papers")
    )
    result = await run(agent)

    assert (result.context.news, result.context.papers) == ("to tea", "papers of tea")
    assert {(), (1,), (2,), (1, 1)} == {record.stamp.path for record in result.records}


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Parallel(note), ValueError),
        (lambda: Parallel(note, Flights), TypeError),
        (lambda: Parallel(note, note, join="most"), TypeError),  # type: ignore[arg-type]
        (lambda: Parallel(note, note, merge={Report.news: 3}), TypeError),  # type: ignore[dict-item]
        (lambda: Parallel(note, Nested(Flights, ends={Flights.booked: Flights.booked})), ValueError),
        (lambda: Nested(note), TypeError),  # type: ignore[arg-type]
        (lambda: Nested(Flights, ends=3), TypeError),  # type: ignore[arg-type]
        (lambda: Nested(Flights, ends={"booked": Flights.booked}), TypeError),  # type: ignore[dict-item]
        (lambda: Map(Flights, over=(), item=Trip.wish, into=Trip.wish, result=Trip.wish), Exception),
    ],
)
def test_what_is_no_part_is_refused_where_it_stands(make: Callable[[], object], error: type[Exception]) -> None:
    """What cannot run inside a state is an error of the line that says it."""
    with pytest.raises(error):
        make()
