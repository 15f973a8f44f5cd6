"""Exploration: it finds what a brute force finds, the shortest way there, and says where it had no more room."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brute import Desk, breaks_at, desks, is_kept, policies
from support.desk import Support
from support.explored import Dear, traces, verdicts
from support.lanes import in_both_lanes
from support.random_machines import build, tight

from fsm_orch import Limits, at_most, never
from fsm_orch.errors import StepError
from fsm_orch.kernel import VERSION, inputs
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.step import fold
from fsm_orch.proof.explore import exploration, walk
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.explore.retrace import retrace
from fsm_orch.proof.explore.trace import Trace
from fsm_orch.testing import Tape, tapes


@in_both_lanes(few=10, many=100)
def test_brute_force_agrees(examples: int) -> None:
    """States, hops, tokens and policies are those of all runs, listed one by one; no shorter path breaks a policy."""

    @settings(max_examples=examples)
    @given(desks(), st.data())
    def agrees(desk: Desk, data: st.DataObject) -> None:
        claims = tuple(data.draw(policies(desk.definition)) for _ in range(3))
        runs = list(desk.runs())

        found = explore(desk.definition, policies=claims)

        assert found.is_complete
        assert () == found.broken
        assert {state for run in runs for state in run.entered} == set(found.reached)
        assert max(run.hops for run in runs) == found.measures.hops.amount
        assert max(run.tokens for run in runs) == found.measures.tokens.amount == found.measures.tokens.trace.settled
        kept = [all(is_kept(claim, run) for run in runs) for claim in claims]
        assert kept == [judged.verdict == "holds" for judged in found.policies]
        for judged in found.policies:
            assert judged.verdict in ("holds", "violated")
            if judged.trace:
                shortest = min(breaks_at(judged.policy, run) for run in runs if not is_kept(judged.policy, run))
                was_landed = judged.trace.legs[-1:] and judged.trace.legs[-1].landing  # entered, and nothing was legal
                assert judged.trace.hops - bool(was_landed) <= shortest <= judged.trace.hops

    agrees()


def test_no_path_is_put_together_that_nobody_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is as long as a machine is deep, so paths to all states of a chain would take the square of its length."""
    told = list[int]()
    monkeypatch.setattr(exploration, "retrace", lambda play, path: told.append(len(path)) or retrace(play, path))
    found = explore(Support.definition)

    assert {*Support.definition.states, *Support.definition.finals} == {*found.reached}
    assert [] == told
    assert "billing" == found.reached["billing"].legs[-1].target
    assert 1 == len(told)


@given(desks(), st.data())
@settings(deadline=None, max_examples=50)
def test_traces_are_real_runs(desk: Desk, data: st.DataObject) -> None:
    """What a trace did to the abstract machine leads the real one along the same path, at the same price."""
    found = explore(desk.definition, policies=(data.draw(policies(desk.definition)),))

    compiled = CompiledMachine(desk.definition)
    for trace in traces(found):
        end = replayed(compiled, trace)
        assert (end.state, end.hops, end.ledger.settled.tokens) == (trace.state, trace.hops, trace.settled)
        assert trace.is_sure


def replayed(compiled: CompiledMachine, trace: Trace) -> Configuration:
    """Fold what happened on a trace."""
    started = inputs.Started(
        run_id="r",
        context=trace.start,
        digest=compiled.definition.digest,
        kernel=VERSION,
        limits=compiled.limits,
        state=trace.path[0],
    )
    said = [event for turn in trace.legs for event in turn.inputs]
    return fold(compiled, [started, *said, *trace.inputs])


@pytest.mark.slow
@given(tapes(), st.integers(0, 255))
@settings(deadline=None, max_examples=25)
def test_random_machines_keep_the_theorems(plan: Tape, choice: int) -> None:
    """T1 to T5 hold after every step of machines with failure edges, attempts, questions and guards that raise."""
    limits = tight(Tape(bytes([choice, choice // 7, choice // 49])))
    machine = build(plan)

    try:
        found = explore(machine.definition, limits=limits, max_configurations=3_000)
    except StepError:
        return

    assert ("T1", "T2", "T3", "T4", "T5") == found.held
    assert found.measures.hops.amount <= limits.hops
    assert found.measures.tokens.amount <= limits.tokens


def test_no_run_can_start() -> None:
    """Limits that admit no run are told as the kernel tells them."""
    with pytest.raises(StepError, match="cannot start"):
        explore(Dear.definition, limits=Limits(tokens=10))


@pytest.mark.slow
def test_a_cap_leaves_a_partial_verdict() -> None:
    """Where there is no more room, what was broken stays broken, and what the bare graph did not decide is unknown."""
    claims = (never(Support.triage), never(Support.refund), never(Support.answered), at_most(3, Support.billing))
    whole = explore(Support.definition, policies=claims)

    for room in range(1, whole.configurations):
        found = explore(Support.definition, policies=claims, max_configurations=room)
        assert not found.is_complete
        assert room == found.configurations
        assert "violated" == verdicts(found)[0]
        assert "holds" not in verdicts(found)[:3]
        for before, now in zip(verdicts(found), verdicts(whole), strict=True):
            assert before in ("unknown", now)
    assert whole.is_complete
    assert explore(Support.definition, policies=claims, max_configurations=whole.configurations).is_complete
    with pytest.raises(ValueError, match="room for at least 1"):
        explore(Support.definition, max_configurations=0)


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks hears how far the exploration is; the clock is whoever's that gives it."""
    monkeypatch.setattr(walk, "_PROGRESS_EVERY", 5)
    told: list[tuple[int, int]] = []
    ticks = iter([10.0, 12.5])

    found = explore(
        Support.definition,
        on_progress=lambda configurations, frontier: told.append((configurations, frontier)),
        clock=lambda: next(ticks),
    )

    assert 2.5 == found.seconds
    assert [5 * (number + 1) for number in range(len(told))] == [configurations for configurations, _ in told]
    assert len(told) == found.configurations // 5 > 1
    assert all(0 < frontier <= configurations for configurations, frontier in told)
    assert explore(Dear.definition).seconds is None
