"""The travel desk: desks inside a desk, at once, and nothing is booked before the traveller confirms."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.walked import path

from fsm_orch import CallFailed, MemoryStore, Runner, ScriptedModel
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from machines.travel import ROOMS, SEATS, Flights, Hotels, Travel, Trip


def runner(*script: object) -> Runner[Trip, None]:
    """Return a runner with a scripted model."""
    return Runner(Travel, model=ScriptedModel(list(script)), store=MemoryStore())  # type: ignore[arg-type]


async def test_a_trip_is_booked_when_it_is_confirmed() -> None:
    """Each desk finds its part, the traveller is shown both, and a yes books them under one key."""
    own = runner({"handoff": "by_air", "city": "Oslo"}, {"day": "Friday"})
    waits = await own.run(Trip(wish="fjords"))

    assert waits.waiting[0].shown == {"city": "Oslo", "flight": f"{SEATS['Oslo']} on Friday", "hotel": ROOMS["Oslo"]}
    result = await own.resume(waits.run_id, Travel.confirm)
    assert path(result) == ["read", "fly", "ask", "book", "booked"]
    assert result.context.answer == (
        f"Booked under {waits.run_id}:3: {SEATS['Oslo']} on Friday to Oslo, and {ROOMS['Oslo']}."
    )


async def test_the_desks_search_at_once() -> None:
    """Both have begun before either has ended."""
    own = runner({"handoff": "by_air", "city": "Oslo"}, {"day": "Friday"})
    waits = await own.run(Trip(wish="fjords"))
    inside = [record.kind for record in waits.records if record.stamp.path]

    assert ["run_started"] * 2 == [kind for kind in inside[: inside.index("run_finished")] if kind == "run_started"]


async def test_who_wants_a_hotel_only_is_booked_no_flight() -> None:
    """No flight is looked for, none is shown, and none is booked."""
    own = runner({"handoff": "only_hotel", "city": "Rome"})
    waits = await own.run(Trip(wish="A hotel only, in Rome"))
    result = await own.resume(waits.run_id, Travel.confirm)

    assert waits.waiting[0].shown == {"city": "Rome", "flight": None, "hotel": ROOMS["Rome"]}
    assert path(result) == ["read", "stay", "ask", "book", "booked"]
    assert result.context.answer == f"Booked under {waits.run_id}:3: {ROOMS['Rome']}."


async def test_a_sold_out_flight_ends_otherwise() -> None:
    """What the desks found decides where the trip goes: without a seat nobody is asked."""
    result = await runner({"handoff": "by_air", "city": "Rome"}, {"day": "Sunday"}).run(Trip(wish="see the Colosseum"))

    assert (path(result), result.landing) == (["read", "fly", "sorry"], None)
    assert (result.context.city, result.context.flight) == ("Rome", None)


@pytest.mark.parametrize("script", [[{"day": "Someday"}] * 3, [CallFailed("connection", unsent=True)] * 3])
async def test_a_desk_that_fails_lands_the_trip(script: list[object]) -> None:
    """If one desk lands, the visit of both has failed; without a failure edge the trip lands, and says why."""
    result = await runner({"handoff": "by_air", "city": "Oslo"}, *script).run(Trip(wish="far away"))

    assert (result.state, path(result)) == (Travel.desk, ["read", "fly", "desk"])
    assert result.landing is not None
    assert "'Flights' was landed" in result.landing.detail
    assert result.context.flight is None


async def test_no_books_nothing() -> None:
    """On a no the traveller is asked to call."""
    own = runner({"handoff": "by_air", "city": "Oslo"}, {"day": "Friday"})
    result = await own.resume((await own.run(Trip(wish="fjords"))).run_id, Travel.cancel)

    assert (result.state, result.context.answer) == (Travel.desk, "Please call us, and we will plan it together.")


@pytest.mark.parametrize(("machine", "tokens", "hops"), [(Travel, 9_216, 4), (Flights, 4_608, 2), (Hotels, 0, 1)])
def test_each_desk_is_proved(machine: type, tokens: int, hops: int) -> None:
    """No run of any desk takes more than its limits, which are its worst case; the policies hold."""
    proof = prove(machine)

    assert all(verdict.verdict == "holds" for verdict in proof.policies)
    assert (proof.bounds.tokens, proof.bounds.hops) == (tokens, hops)
    assert () == proof.findings


@pytest.mark.local
async def test_the_local_model_plans_a_trip() -> None:
    """A real model reads where to and when, among the cities and days that there are."""
    with closing(LocalModel()) as model:
        own = Runner(Travel, model=model, store=MemoryStore())
        waits = await own.run(Trip(wish="I would love to fly to Lisbon on Friday"))
        result = await own.resume(waits.run_id, Travel.confirm) if waits.waiting else waits

    assert result.context.city in ROOMS
    assert result.state in (Travel.booked, Travel.sorry)
