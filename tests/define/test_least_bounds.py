"""The least bounds against all walks of a machine: the fewest with which each edge has a walk to an answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from figures import desks
from support.selling import Desk

from fsm_orch import Context, DefinitionError, Final, Limits, LLMAgent, Machine, State
from fsm_orch.define.definition import Definition
from fsm_orch.define.least import least_hops, least_visits
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


def walks(definition: Definition, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield every walk on from a path that ends in an answer, or in a final state that is one."""
    if path[-1] in definition.finals:
        yield path
    elif len(path) <= LONGEST:
        for target in definition.successors[path[-1]]:
            yield from walks(definition, (*path, target))


def dearest(definition: Definition, state: str | None) -> int:
    """Return the most that the cheapest walk of an edge needs: in hops, or in visits of a state."""
    cheapest: dict[tuple[str, str], int] = {}
    for start in definition.starts:
        for walk in walks(definition, (start,)):
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
