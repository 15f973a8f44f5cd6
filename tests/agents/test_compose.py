"""Machines in machines, as they run: what crosses, how branches come together, and a map over a field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    Map,
    Nested,
    Parallel,
    Reply,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Visit,
    guard,
)
from fsm_orch.agents import AgentSpec, Changes, PlainAgent
from fsm_orch.define.context import field_refs
from fsm_orch.errors import PartFailed
from fsm_orch.kernel.records import Answered, HandedOff


class Report(Context):
    """What branches write."""

    topic: str
    urls: Given[tuple[str, ...]] = ()
    news: str | None = None
    papers: str | None = None
    words: int = 0
    notes: tuple[str, ...] = ()


class Page(Context):
    """What is read of one address."""

    url: str
    topic: str = "none"
    note: str | None = None


def joined(values: tuple[str, ...]) -> str:
    """Join texts."""
    return " ".join(values)


class Broken(Exception):
    """What a branch raises."""


def rest(visit: Visit[Any]) -> None:
    """Do nothing."""


def note(visit: Visit[Page]) -> Changes:
    """Write the address in capitals."""
    if visit.context.url == "bad":
        raise Broken
    return {Page.note: visit.context.url.upper()}


class Writes(PlainAgent):
    """A branch that writes a field, or raises."""

    def __init__(self, field: Any, value: Any, *, wrong: bool) -> None:
        self.value, self.wrong, (self.field,) = value, wrong, field_refs(field)
        self.spec = AgentSpec(
            kind="code",
            name="Writes",
            reads=field_refs(Report.topic),
            writes=(self.field,),
            canonical={"value": value, "wrong": wrong},
        )

    def begin(self, visit: Visit[Any]) -> Reply:
        if self.wrong:
            raise Broken
        topic = visit.context.topic
        return Reply(changes={self.field: self.value if self.value == 3 else f"{self.value} of {topic}"})


def writer(field: Any, value: object, *, wrong: bool = False) -> Writes:
    """Make a branch that writes a field, or raises."""
    return Writes(field, value, wrong=wrong)


def of(agent: Any, *, more: Limits | None = None) -> type[Machine[Report]]:
    """Make a machine of one state that an agent works in; what it fails leads to `lost`."""

    class Desk(Machine[Report]):
        """One state."""

        work = State(agent, initial=True)
        done, lost, human = Final(), Final(), Final(fallback=True)
        to_done = work.to(done)
        failed = work.on_failure(lost)
        limits = more or Limits(tokens=40_000)

    return Desk


async def run(agent: Any, *script: object, urls: tuple[str, ...] = (), more: Limits | None = None) -> RunResult[Report]:
    """Run a machine of one state."""
    model = ScriptedModel(list(script))  # type: ignore[arg-type]
    return await Runner(of(agent, more=more), model=model).run(Report(topic="tea", urls=urls))


def ends(result: RunResult[Any]) -> dict[int, str | None]:
    """Return how each ask of the run itself ended."""
    return {r.ask: r.end for r in result.records if isinstance(r, Answered) and not r.stamp.path}


# --- several at once ---


async def test_all_branches_write_what_they_declare() -> None:
    """Each branch is given what it reads, and what all have written is there when the round is over."""
    result = await run(Parallel(writer(Report.news, "news"), writer(Report.papers, "papers")))

    assert result.state.name == "done"
    assert (result.context.news, result.context.papers) == ("news of tea", "papers of tea")
    assert [hop.handoff for hop in result.path] == ["to_done"]
    assert ["to_done", "to_done"] == [
        record.handoff for record in result.records if isinstance(record, HandedOff) and record.stamp.path
    ]


async def test_models_are_branches_too() -> None:
    """A model in a branch is asked for its own fields, repaired on its own calls, and charged to the whole."""
    news = LLMAgent("News.", reads=Report.topic, writes=Report.news)
    result = await run(Parallel(news, writer(Report.papers, "papers")), {"wrong": 1}, {"news": "none"})

    assert result.context.news == "none"
    assert result.usage.requests == 2
    assert result.charged_tokens == result.usage.total_tokens


async def test_one_failed_branch_fails_the_visit() -> None:
    """With join="all" a branch that fails ends the others: nothing is written, and the failure edge is taken."""
    result = await run(
        Parallel(
            writer(Report.news, "news", wrong=True),
            HumanAgent("Papers?", writes=Report.papers),
        )
    )

    assert (result.state.name, result.context.papers) == ("lost", None)
    assert {1: "finished", 2: "unneeded"} == ends(result)
    assert isinstance(result.error, PartFailed)
    assert str(result.error) == "0 of 2 branches ended well, and 2 must: 'Writes' was landed (failure) in 'failed'"


async def test_the_first_to_end_well_wins() -> None:
    """With join="first" one good branch is enough, the others are ended, and its value is written."""
    result = await run(
        Parallel(
            writer(Report.news, "slow", wrong=True),
            HumanAgent("News?", writes=Report.news),
            writer(Report.news, "quick"),
            join="first",
        )
    )

    assert (result.state.name, result.context.news) == ("done", "quick of tea")
    assert {1: "finished", 3: "finished", 2: "unneeded"} == ends(result)


async def test_what_is_left_out_stays_as_it_was() -> None:
    """Of a join of one, the fields of a branch that failed keep what they held."""
    agent = Parallel(writer(Report.news, "news", wrong=True), writer(Report.papers, "papers"), join=1, tolerate=True)
    result = await run(agent)

    assert {"news", "papers"} == {ref.name for ref in agent.spec.may_omit}
    assert (result.state.name, result.context.news, result.context.papers) == ("done", None, "papers of tea")


async def test_all_are_waited_for_where_that_is_said() -> None:
    """With tolerate=True no branch is ended early, so what is charged does not depend on who is the quickest."""
    agent = Parallel(
        writer(Report.news, "news"), writer(Report.news, "late"), join=1, tolerate=True, merge={Report.news: joined}
    )
    result = await run(agent)

    assert {1: "finished", 2: "finished"} == ends(result)
    assert result.context.news == "news of tea late of tea"


@pytest.mark.parametrize(
    ("join", "wrong", "state"), [("all", 1, "lost"), (2, 1, "done"), (2, 2, "lost"), (1, 2, "done"), (1, 3, "lost")]
)
@pytest.mark.parametrize("tolerate", [False, True])
async def test_as_many_end_well_as_must(join: Any, wrong: int, state: str, tolerate: bool) -> None:
    """A visit goes on if as many branches ended well as its join says, whether or not all are waited for."""
    branches = [writer(Report.news, str(number), wrong=number < wrong) for number in range(3)]
    result = await run(Parallel(*branches, join=join, tolerate=tolerate, merge={Report.news: joined}))

    assert result.state.name == state


async def test_a_merge_makes_one_value_of_many() -> None:
    """The values of all branches that ended well reach the function as their types, in the order of the branches."""
    agent = Parallel(writer(Report.words, 3), writer(Report.words, 3), merge={Report.words: sum})

    assert (await run(agent)).context.words == 6


@given(st.data())
def test_a_field_counts_as_written_if_any_k_branches_write_it(data: st.DataObject) -> None:
    """A field is sure if of any k branches that end well at least one writes it."""
    count = data.draw(st.integers(2, 4))
    fields = [data.draw(st.sets(st.sampled_from(["news", "papers"]), min_size=1)) for _ in range(count)]
    need = data.draw(st.integers(1, count))
    refs = {"news": Report.news, "papers": Report.papers}
    branches = [State(rest, writes=[refs[name] for name in sorted(some)]) for some in fields]
    merge = dict.fromkeys(refs.values(), max)
    spec = Parallel(*branches, join=need, merge=merge).spec

    for name in spec.written_names:
        without = sum(name not in some for some in fields)
        assert (name in spec.sure_names) == (without < need)


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


def test_branches_of_one_name_are_numbered() -> None:
    """Branches are named by what they are, numbered where that is not enough, and by keywords as their user likes."""
    parts = Parallel(
        rest, rest, Nested(Flights, give={Trip.wish: Report.topic}), LLMAgent("N.", writes=Report.news), mine=rest
    ).spec.parts

    assert [part.name for part in parts] == ["rest_1", "rest_2", "Flights", "news", "mine"]


# --- one inside another ---


class Trip(Context):
    """A trip."""

    wish: str
    flight: str | None = None
    price: int = 0


@guard
def is_dear(trip: Trip) -> bool:
    return trip.price > 100


def find(visit: Visit[Trip]) -> Changes:
    """Find a flight that costs as much as its wish has letters, times ten."""
    if not visit.context.wish:
        raise Broken
    return {Trip.flight: f"to {visit.context.wish}", Trip.price: 10 * len(visit.context.wish)}


class Flights(Machine[Trip]):
    """A desk."""

    search = State(find, reads=Trip.wish, writes=(Trip.flight, Trip.price), initial=True)
    booked, dear, none = Final(), Final(), Final(fallback=True)
    too_dear = search.to(dear, guard=is_dear)
    found = search.to(booked)


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


# --- once for each item ---


def mapped(work: Any = None, **options: Any) -> Map:
    """Make a map over the addresses of a report."""
    work = work or State(note, reads=Page.url, writes=Page.note)
    return Map(work, over=Report.urls, item=Page.url, into=Report.notes, result=Page.note, **options)


@given(st.lists(st.text("ab", max_size=3), max_size=6))
async def test_a_map_collects_in_the_order_of_its_items(urls: list[str]) -> None:
    """Each item has one run, and the results stand in the order of the items; of nothing there are none."""
    result = await run(mapped(), urls=tuple(urls))

    assert (result.state.name, result.context.notes) == ("done", tuple(url.upper() for url in urls))
    assert len(ends(result)) == len(urls)


async def test_more_items_than_the_most_fail_by_both_numbers() -> None:
    """A map over more than it may runs nothing, and says how many there are and how many there may be."""
    result = await run(mapped(most=2), urls=("a", "b", "c"))

    assert (result.state.name, ends(result)) == ("lost", {})
    assert "maps over 3 items, and 2 is the most" in str(result.error)


async def test_one_failed_item_fails_the_map() -> None:
    """If one run fails the others are ended, and nothing is collected."""
    result = await run(mapped(), urls=("a", "bad", "c"))

    assert (result.state.name, result.context.notes) == ("lost", ())
    assert "'note' was landed (failure) in 'failed'" in str(result.error)


async def test_a_map_runs_a_machine_or_a_model() -> None:
    """What runs for each item may be a machine, or a model, which is asked once for each."""

    class Read(Machine[Page]):
        """Read one address."""

        look = State(note, reads=Page.url, writes=Page.note, initial=True)
        done, none = Final(), Final(fallback=True)
        flow = look >> done

    model = LLMAgent("Sum up.", reads=Page.url, writes=Page.note)
    assert (await run(mapped(Read), urls=("a",))).context.notes == ("A",)
    result = await run(mapped(model, most=2), {"note": "x"}, {"note": "y"}, urls=("a", "b"))
    assert set(result.context.notes) == {"x", "y"}


@pytest.mark.parametrize("most", [1, 3, 64])
def test_what_a_map_reserves_grows_with_its_most(most: int) -> None:
    """Entering a map reserves as many shares as it may run, and a visit may ask as often."""
    agent = mapped(LLMAgent("Sum up.", reads=Page.url, writes=Page.note), most=most)

    assert (agent.spec.asks, agent.spec.parts[0].most) == (most, most)
    assert agent.spec.parts[0].share.tokens == 4_608


async def test_a_child_is_given_more_than_its_item() -> None:
    """What a run requires besides its item is given by `give`, or by its name."""

    class Asked(Context):
        """An address and why."""

        url: str
        why: str
        topic: str
        note: str | None = None

    def tell(visit: Visit[Asked]) -> Changes:
        return {Asked.note: f"{visit.context.url} {visit.context.why} {visit.context.topic}"}

    class Tell(Machine[Asked]):
        """Tell all."""

        look = State(tell, reads=(Asked.url, Asked.why, Asked.topic), writes=Asked.note, initial=True)
        done, none = Final(), Final(fallback=True)
        flow = look >> done

    agent = Map(
        Tell, over=Report.urls, item=Asked.url, into=Report.notes, result=Asked.note, give={Asked.why: Report.topic}
    )
    assert (await run(agent, urls=("a", "b"))).context.notes == ("a tea tea", "b tea tea")


@pytest.mark.parametrize("is_item_given", [False, True])
async def test_beside_its_item_a_child_may_be_given_all_of_them(is_item_given: bool) -> None:
    """The item alone differs from run to run, and nothing else is given in its place."""

    class Part(Context):
        """An address among others."""

        url: str
        others: tuple[str, ...]
        note: str | None = None

    def count(visit: Visit[Part]) -> Changes:
        return {Part.note: f"{visit.context.url} of {len(visit.context.others)}"}

    class Count(Machine[Part]):
        """Count the others."""

        look = State(count, reads=(Part.url, Part.others), writes=Part.note, initial=True)
        done, none = Final(), Final(fallback=True)
        flow = look >> done

    given = {**({Part.url: Report.topic} if is_item_given else {}), Part.others: Report.urls}
    agent = Map(Count, over=Report.urls, item=Part.url, into=Report.notes, result=Part.note, give=given)
    assert (await run(agent, urls=("a", "b"))).context.notes == ("a of 2", "b of 2")
