"""A journal leads where its run went: `Runner.replay`."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from support.desk import Support, Ticket

from fsm_orch import Limits, Runner, ScriptedModel
from fsm_orch.amounts import FREE
from fsm_orch.errors import StepError
from fsm_orch.run.result import RunResult
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
