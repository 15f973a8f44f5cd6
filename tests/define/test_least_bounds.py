"""The least bounds against all walks of a machine: the fewest with which each edge has a walk to an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from figures import desks
from hypothesis import assume, given
from hypothesis import strategies as st
from support.random_machines import PLANS, build
from support.selling import Desk

from fsm_orch import Context, DefinitionError, Final, Limits, LLMAgent, Machine, State
from fsm_orch.define.definition import Definition
from fsm_orch.define.least import least_hops, least_visits
from fsm_orch.define.rules.check import check
from fsm_orch.testing import Tape
from machines import coding, research


class Note(Context):
    text: str


def does() -> State[Note]:
    """Return a state whose agent reads the note."""
    return State(LLMAgent("Do it.", reads=Note.text))


class Detour(Machine[Note]):
    """Go the long way round to a state that gives up, or goes on to the answer."""

    start = State(LLMAgent("Choose.", reads=Note.text), initial=True)
    first, second, work, last = does(), does(), does(), does()
    done, human = Final(), Final(fallback=True)
    at_once, around = start.to(work, "it is short"), start.to(first, "it is long")
    onward, back = first.to(second), second.to(work)
    give_up, go_on = work.to(human, "it is hopeless"), work.to(last, "it is not")
    end = last.to(done)


MACHINES = [
    Detour.definition,
    Desk.definition,
    coding.Coding.definition,
    desks.Hybrid.definition,
    research.Research.definition,
]
LONGEST = 8


def walks(definition: Definition, most: int) -> Iterator[tuple[str, ...]]:
    """Yield every walk of so many hops at most from a start to a final state."""

    def onward(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if path[-1] in definition.finals:
            yield path
        elif len(path) <= most:
            for target in definition.successors[path[-1]]:
                yield from onward((*path, target))

    for start in definition.starts:
        yield from onward((start,))


def to_answers(definition: Definition, most: int) -> list[tuple[str, ...]]:
    """Return those of these walks that end in an answer, which the fallback is not."""
    return [way for way in walks(definition, most) if not definition.finals[way[-1]].fallback]


def pairs(of: list[tuple[str, ...]]) -> set[tuple[str, str]]:
    """Return the pairs of neighbours on walks."""
    return {pair for way in of for pair in pairwise(way)}


def dearest(definition: Definition, state: str | None) -> int:
    """Return the most that the cheapest walk of an edge needs: in hops, or in visits of a state."""
    cheapest: dict[tuple[str, str], int] = {}
    for walk in walks(definition, LONGEST):
        price = len(walk) - 1 if state is None else walk.count(state)
        for number, edge in enumerate(pairwise(walk), 2):
            # the fallback is no answer, but the edge into it is one that can be taken
            if walk[-1] != definition.fallback.name or number == len(walk):
                cheapest[edge] = min(price, cheapest.get(edge, price))
    return max(cheapest.values())


@pytest.mark.parametrize("definition", MACHINES, ids=lambda definition: definition.name)
def test_least_bounds_are_those_of_the_dearest_edge(definition: Definition) -> None:
    """Hops, and visits of each state, are the fewest with which a run can take any edge and come to an answer."""
    assert least_hops(definition) == dearest(definition, None)
    assert {state: least_visits(definition, state) for state in definition.states} == {
        state: dearest(definition, state) for state in definition.states
    }


@given(PLANS)
def test_least_hops_open_every_way_and_one_less_does_not(plan: Tape) -> None:
    """Each edge that leads to an answer is on a walk of so many hops to one; with one hop less, some is on none."""
    definition = build(plan).definition
    least = least_hops(definition)
    assume(len(definition.states) <= 4)
    assume(least <= 7)
    every = pairs(to_answers(definition, 9))

    assert pairs(to_answers(definition, least)) == every
    assert pairs(to_answers(definition, least - 1)) < every


@given(PLANS)
def test_least_visits_open_every_way_and_one_less_does_not(plan: Tape) -> None:
    """The same of the visits of each state."""
    definition = build(plan).definition
    assume(len(definition.states) <= 3)
    found = to_answers(definition, 9)
    every = pairs(found)

    for state in definition.states:
        least = least_visits(definition, state)
        assert pairs([way for way in found if way.count(state) <= least]) == every
        assert pairs([way for way in found if way.count(state) < least]) != every or least <= 1


@given(PLANS, st.integers(1, 3))
def test_what_is_advised_where_hops_are_too_few_builds(plan: Tape, few: int) -> None:
    """With the limit that is offered, nothing is said of hops."""
    definition = build(plan).definition
    short = replace(definition, limits=definition.limits.model_copy(update={"hops": few}))
    said = [finding for finding in check(short) if "raise the limit of hops" in (finding.fix or "")]
    assume(said)
    mended = replace(definition, limits=definition.limits.model_copy(update={"hops": least_hops(definition)}))

    assert f"raise the limit of hops to {least_hops(definition)} or more" in str(said[0].fix)
    assert not [finding for finding in check(mended) if "raise the limit of hops" in (finding.fix or "")]


def test_a_state_that_no_run_comes_to_needs_no_hops() -> None:
    """It is found beside hops that are too few, and what is said of these does not count it."""
    with pytest.raises(DefinitionError, match="raise the limit of hops to 2 or more") as raised:

        class Lost(Machine[Note]):
            """Do it."""

            start = State(LLMAgent("Do it.", reads=Note.text), initial=True)
            work, lost = does(), does()
            done, human = Final(), Final(fallback=True)
            first, end, never = start.to(work), work.to(done), lost.to(done)
            limits = Limits(hops=1)

    assert "'lost'" in str(raised.value)
