"""The time of a visit in the kernel: from its end on no attempt begins, and no call is admitted."""

from __future__ import annotations

import pytest
from support.handfed import ASKING, FORKS, SUPPORT, Play, answer, ask, fail, reply, reserve

from fsm_orch import Limits
from fsm_orch.kernel import records
from fsm_orch.kernel.engine import CompiledMachine


@pytest.mark.parametrize(("at", "retried"), [(9.9, True), (10.0, False), (11.0, False)])
def test_an_attempt_that_raises_is_tried_again_in_the_visits_time(at: float, retried: bool) -> None:
    """Whatever is declared, no attempt begins at the end of the visit's time, or after it; the visit has failed."""
    play = Play(FORKS, fail(at=at))

    [failed] = play.records(records.AttemptFailed)

    assert failed.is_retried == retried
    assert play.now.state == ("fork" if retried else "right")


@pytest.mark.parametrize(("at", "repaired"), [(9.9, True), (10.0, False)])
def test_a_reply_is_repaired_in_the_visits_time(at: float, repaired: bool) -> None:
    """A model is not asked again once its visit's time is over."""
    play = Play(SUPPORT, reply("nowhere", at=at))

    [refused] = play.records(records.Refused)

    assert refused.is_repaired == repaired
    assert play.now.landing == (None if repaired else "refusal")


@pytest.mark.parametrize(("at", "reason"), [(9.9, []), (10.0, ["deadline"])])
def test_a_call_is_admitted_in_the_visits_time(at: float, reason: list[str]) -> None:
    """No request leaves once the visit's time is over."""
    play = Play(SUPPORT, reserve(1, 5, 5, at=at))

    assert reason == [denied.reason for denied in play.records(records.CallDenied)]


@pytest.mark.parametrize(("at", "reason"), [(2.9, []), (3.0, ["deadline"])])
def test_a_call_is_admitted_in_the_runs_time(at: float, reason: list[str]) -> None:
    """No request leaves once the run's time is over, though its visit has time left."""
    hurried = CompiledMachine(SUPPORT.definition, limits=Limits(hops=6, deadline_s=3))
    play = Play(hurried, reserve(1, 5, 5, at=at))

    assert reason == [denied.reason for denied in play.records(records.CallDenied)]


def test_an_answer_after_the_visits_time_is_a_timeout() -> None:
    """An agent is not begun with an answer that it has no time to use."""
    play = Play(ASKING, ask(), answer(at=5.0))

    assert ("human", "timeout") == (play.now.state, play.now.landing)
