"""The checker of theorems: what holds of a run is no breach, however rarely it happens."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from support.handfed import PARENT, SUPPORT, Asks, reply
from support.random_machines import Facts

from fsm_orch import Final, Machine, State
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.testing import TheoremChecker


@pytest.mark.parametrize("compiled", [PARENT, SUPPORT])
def test_a_run_that_was_moved_too_little_is_landed_before_it_enters_a_state(compiled: CompiledMachine) -> None:
    """It has taken the hop of its landing and visited nothing, which is no breach of T2."""
    context: dict[str, Any] = {"query": "x"} if compiled is SUPPORT else {}
    checker = TheoremChecker(compiled)
    checker.follow(replace(started(compiled, context, run_id="r"), tokens=5))

    assert checker.now is not None
    assert ("finished", "budget", 1, {}) == (
        *(checker.now.status, checker.now.landing, checker.now.hops),
        dict(checker.now.visits),
    )


class Omits(Machine[Facts]):
    """An agent that may leave out one of the two fields that it writes."""

    act = State(Asks(asks=0, writes=(Facts.note, Facts.answer), may_omit=(Facts.answer,)), initial=True)
    done, human = Final(), Final(fallback=True)
    on = act.to(done)


@pytest.mark.parametrize("changes", [{"note": "n"}, {"note": "n", "answer": "a"}])
def test_a_field_that_may_be_left_out_is_left_out(changes: dict[str, Any]) -> None:
    """A reply without it is no breach of T6, and neither is one with it."""
    compiled = CompiledMachine(Omits.definition)
    checker = TheoremChecker(compiled)
    checker.follow(started(compiled, {}, run_id="r"))
    checker.follow(reply(**changes))

    assert checker.now is not None
    assert checker.now.state == "done"
