"""Branches that run at once: how they come together, and what of them crosses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.composed import Flights, Report, Trip, ends, joined, rest, run, writer

from fsm_orch import HumanAgent, LLMAgent, Nested, Parallel, State
from fsm_orch.errors import PartFailed
from fsm_orch.kernel.records import HandedOff


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
    """A visit goes on if as many branches ended well as its join says; with tolerate=True none is ended before that."""
    branches = [writer(Report.news, str(number), wrong=number < wrong) for number in range(3)]
    result = await run(Parallel(*branches, join=join, tolerate=tolerate, merge={Report.news: joined}))

    assert result.state.name == state
    assert not tolerate or set(ends(result).values()) == {"finished"}


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


def test_branches_of_one_name_are_numbered() -> None:
    """Branches are named by what they are, numbered where that is not enough, and by keywords as their user likes."""
    parts = Parallel(
        rest, rest, Nested(Flights, give={Trip.wish: Report.topic}), LLMAgent("N.", writes=Report.news), mine=rest
    ).spec.parts

    assert [part.name for part in parts] == ["rest_1", "rest_2", "Flights", "news", "mine"]


async def later(values: tuple[Any, ...]) -> str:
    """Join what branches wrote, too late."""
    return "".join(values)


def of_two(one: str, other: str) -> str:
    """Join two values."""
    return one + other


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"merge": [joined]}, r"merge= takes a mapping, not a list: merge=\{one: other\}"),
        ({"merge": joined}, "merge= takes a mapping, not "),
        ({"merge": {Report.news: 5}}, "merge= takes functions, not an int"),
        ({"merge": {Report.news: later}}, r"merge= takes plain functions, and later is async: write def later\(values"),
        (
            {"merge": {Report.news: of_two}},
            r"of_two is called with the values of the branches, as one tuple: write def",
        ),
        ({"tolerate": "no"}, "tolerate= takes True or False, not "),
        ({"tolerate": 1}, "tolerate= takes True or False, not "),
        ({"join": True}, "join= takes 'all', 'first' or a number of branches, not True"),
    ],
)
def test_what_brings_branches_together_is_of_its_kind(options: dict[str, Any], why: str) -> None:
    """What could never make a value, or would say the opposite of what is meant, is an error where it is written."""
    with pytest.raises(TypeError, match=f"^{why}"):
        Parallel(writer(Report.news, "one"), writer(Report.news, "two"), **options)
