"""What the records of many runs say of the routing: rates, and what they are made of."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import (
    Context,
    DefinitionError,
    Final,
    KeywordAgent,
    LLMAgent,
    Machine,
    Runner,
    ScriptedModel,
    State,
)
from fsm_orch.evaluate.routes import Route, Routing, Share, alone, handed_on, route

LABELS = ("billing", "search")
BILLED = {"handoff": "done", "answer": "$5"}


class Ticket(Context):
    query: str
    answer: str | None = None


class Front(Machine[Ticket]):
    """Two specialists behind a triage by words."""

    billing = State(LLMAgent("Bill.", reads=(Ticket.query,), writes=(Ticket.answer,)), max_visits=2)
    search = State(LLMAgent("Search.", reads=(Ticket.query, Ticket.answer)))
    answered, human = Final(), Final(fallback=True)
    triage = State(KeywordAgent(Ticket.query, {billing: ("bill", "pay")}, otherwise=human), initial=True, max_visits=2)
    to_billing = triage.to(billing)
    to_human = triage.to(human)
    done = (billing | search).to(answered, "it is answered")
    again = billing.to(triage, "not a question of bills")
    to_search = billing.to(search, "it is about a product")
    nobody = search.to(human, "not mine")


def a_route(expected: str, reached: str, seconds: float = 0.0) -> Route:
    return Route(
        expected=expected,
        reached=reached,
        path=(),
        seconds=seconds,
        ended=None,
        landing=None,
        refusals=(),
        failures=(),
        calls=0,
        reserved=0,
        used=0,
        cost=0,
    )


routings = st.builds(
    lambda routes: Routing(LABELS, tuple(routes)),
    st.lists(
        st.builds(
            a_route,
            st.sampled_from([*LABELS, "out_of_scope", "human"]),
            st.sampled_from([*LABELS, "human", "answered"]),
            st.floats(0, 100),
        )
    ),
)


@given(routings)
def test_every_run_is_right_or_wrong_in_one_way(routing: Routing) -> None:
    """Right, misrouted, sent to the fallback wrongly or leaked: together they are all runs."""
    shares = (routing.rates.accuracy, routing.rates.misroute, routing.rates.false_fallback, routing.rates.leak)

    assert sum(share.count for share in shares) == len(routing.routes) == routing.rates.accuracy.of
    assert routing.rates.misroute.of == routing.rates.false_fallback.of == routing.in_scope
    assert routing.in_scope + routing.rates.leak.of == len(routing.routes)


@given(routings)
def test_rates_follow_from_the_matrix(routing: Routing) -> None:
    """Each rate is counted once more, from the cells of the matrix alone."""
    cells = routing.matrix.items()

    def count(*, is_in: bool, is_routed: bool) -> int:
        return sum(n for (e, r), n in cells if (e in LABELS) == is_in and (r in LABELS) == is_routed and e != r)

    assert routing.rates.misroute.count == count(is_in=True, is_routed=True)
    assert routing.rates.false_fallback.count == count(is_in=True, is_routed=False)
    assert routing.rates.leak.count == count(is_in=False, is_routed=True)


@given(routings)
def test_rows_add_up(routing: Routing) -> None:
    """The rows of the matrix are the whole, in what they hold and in what is right of it."""
    rows = [routing.right(expected) for expected in {route.expected for route in routing.routes}]

    assert sum(row.of for row in rows) == routing.matrix.total() == len(routing.routes)
    assert sum(row.count for row in rows) == routing.rates.accuracy.count


@given(routings)
def test_quantiles_are_times_of_runs(routing: Routing) -> None:
    """A quantile is one of the times, rising from the least to the greatest; of no runs there is none."""
    times = [route.seconds for route in routing.routes]
    quantiles = [routing.seconds(quantile) for quantile in (0, 0.5, 0.95, 1)]

    if times:
        assert sorted(quantiles) == quantiles  # type: ignore[type-var]
        assert (quantiles[0], quantiles[-1]) == (min(times), max(times))
        assert set(quantiles) <= set(times)
    else:
        assert quantiles == [None] * 4


def test_nothing_of_nothing_is_no_rate() -> None:
    """Without queries out of scope there is no leak to speak of, neither of 0 % nor of any other rate."""
    routing = Routing(LABELS, (a_route("billing", "billing"), a_route("billing", "human")))

    assert routing.rates.leak == Share(0, 0)
    assert routing.rates.leak.rate is None
    assert routing.rates.accuracy.rate == 0.5


async def test_a_route_is_read_from_records() -> None:
    """The first label counts, however the run goes on; what calls reserved and used is added up."""
    model = ScriptedModel(["no JSON", {"handoff": "to_search", "answer": ""}, {"handoff": "done"}])
    result = await Runner(Front, model=model).run(Ticket(query="pay"))

    read = route("search", result.records, LABELS)
    assert (read.reached, read.ended, read.landing) == ("billing", "answered", None)
    assert (read.refusals, read.failures, read.calls) == (("not_json",), (), 3)
    assert read.used == result.charged_tokens < read.reserved
    assert 0 <= read.seconds <= result.seconds
    assert ("triage", "billing") == read.path


async def test_records_of_a_part_are_a_part() -> None:
    """A run that was left where it was routed has no end, no landing, and no calls of its specialist."""
    result = await Runner(Front, model=ScriptedModel([])).run(Ticket(query="pay"))
    entered = [record.stamp.state for record in result.records].index("billing")

    whole = route("billing", result.records, LABELS)
    part = route("billing", result.records[: entered + 2], LABELS)
    assert (whole.ended, whole.landing, whole.failures) == ("human", "failure", ("error",))
    assert (part.reached, part.ended, part.landing, part.calls) == ("billing", None, None, 0)


async def test_without_a_label_a_run_reached_its_end() -> None:
    """A query that no label was found for stands where its run ended."""
    result = await Runner(Front, model=ScriptedModel([])).run(Ticket(query="hello"))

    read = route("billing", result.records, LABELS)
    assert ("human", ("triage",)) == (read.reached, read.path)


def test_a_question_is_handed_on_by_some_exits() -> None:
    """To the fallback, to another label, or back where it came from; not by answering it."""

    assert handed_on(Front.definition, "billing", LABELS) == {"triage", "search"}
    assert handed_on(Front.definition, "search", LABELS) == {"human"}


async def test_a_specialist_stands_alone() -> None:
    """A machine of one specialist shows its model what the whole machine does, and ends where it hands to."""
    part = ScriptedModel([BILLED, {"handoff": "again", "answer": ""}])
    runner = Runner(alone(Front, "billing"), model=part)
    answered, again = [await runner.run(Ticket(query="pay")) for _ in range(2)]
    whole = ScriptedModel([BILLED])
    await Runner(Front, model=whole).run(Ticket(query="pay"))

    assert (answered.state.name, answered.context.answer) == ("answered", "$5")
    assert (again.state.name, again.landing) == ("triage", None)
    assert part.requests[0] == whole.requests[0]


def test_a_specialist_that_needs_another_does_not_stand_alone() -> None:
    """An agent that reads what another state writes has nothing to read on its own."""
    with pytest.raises(DefinitionError, match="FSM110"):
        alone(Front, "search")


def test_routes_are_values() -> None:
    """Nothing that was measured can be changed afterwards."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        a_route("billing", "human").expected = "human"  # type: ignore[misc]
