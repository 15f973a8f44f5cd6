"""Retry: further calls of the visit, each paid for, as long as it is worth it and there is time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.desk import Support, Ticket

from fsm_orch import CallFailed, Limits, Retry, Runner, RunResult, ScriptedModel
from fsm_orch.kernel import records
from fsm_orch.testing import TheoremChecker

BUSY = CallFailed("rate_limited", unsent=True, transient=True)
BROKEN = CallFailed("status_500", transient=True)
DONE = {"handoff": "resolved"}
EXACT = Retry(jitter_s=0)


async def run(*script: Any, retry: Retry | None = EXACT, limits: Limits | None = None) -> RunResult[Ticket]:
    runner = Runner(Support, model=ScriptedModel(script), retry=retry, limits=limits)
    result = await runner.run(Ticket(query="x"))
    TheoremChecker(runner.compiled).follow_all(result.journal)
    return result


def admitted(result: RunResult[Ticket]) -> list[records.CallReserved]:
    return [record for record in result.records if isinstance(record, records.CallReserved)]


@pytest.mark.looptime
async def test_what_failed_for_now_is_tried_again_as_a_further_call() -> None:
    """The second try reserves a call of its own, in the same visit, after the first wait."""
    result = await run(BUSY, DONE)

    assert result.state is Support.answered
    assert [record.call for record in admitted(result)] == [1, 2]
    assert admitted(result)[1].stamp.at == pytest.approx(0.5, abs=0.01)


@pytest.mark.looptime
async def test_a_provider_that_asks_for_patience_gets_it() -> None:
    """Retry-After goes before a shorter backoff."""
    result = await run(CallFailed("rate_limited", unsent=True, transient=True, retry_after_s=4.0), DONE)

    assert admitted(result)[1].stamp.at == pytest.approx(4.0, abs=0.01)


@pytest.mark.looptime
async def test_a_wait_that_the_visit_has_no_time_for_is_not_begun() -> None:
    """Asked to wait longer than the visit may last, the call fails at once."""
    result = await run(CallFailed("rate_limited", unsent=True, transient=True, retry_after_s=11.0), DONE)

    assert len(admitted(result)) == 1
    assert result.landing is not None
    assert (result.landing.reason, result.seconds < 0.1) == ("failure", True)


@pytest.mark.looptime
async def test_a_deadline_is_kept_while_waiting() -> None:
    """No wait goes past the deadline of the run."""
    result = await run(BUSY, DONE, limits=Limits(hops=6, deadline_s=0.4))

    assert len(admitted(result)) == 1


@pytest.mark.looptime
async def test_tries_end_with_the_visits_calls() -> None:
    """Two calls are two tries, and the last failure is the one that is told."""
    result = await run(BUSY, BROKEN, DONE)

    assert len(admitted(result)) == 2
    assert str(result.error) == "status_500"


@pytest.mark.looptime
async def test_each_try_is_charged_for_itself() -> None:
    """A server's error may have been billed, so its reservation stays charged beside the next try."""
    result = await run(BROKEN, DONE)

    first, second = admitted(result)
    used = result.usage.total_tokens
    assert result.charged_tokens == first.input_tokens + first.output_tokens + used
    assert second.stamp.settled == first.input_tokens + first.output_tokens


@pytest.mark.parametrize("error", [CallFailed("insufficient_quota", unsent=True), RuntimeError("surprise")])
async def test_what_fails_for_good_is_not_tried_again(error: Exception) -> None:
    """Only what the adapter calls transient is worth another call."""
    assert len(admitted(await run(error, DONE))) == 1


@pytest.mark.looptime
async def test_a_runner_may_be_impatient() -> None:
    """Without a retry every failure is final."""
    assert len(admitted(await run(BUSY, DONE, retry=None))) == 1


@pytest.mark.looptime
async def test_many_runs_do_not_come_back_at_once() -> None:
    """Jitter spreads the second tries of runs that failed together."""
    results = await asyncio.gather(*(run(BUSY, DONE, retry=Retry()) for _ in range(50)))

    times = {round(admitted(result)[1].stamp.at, 3) for result in results}
    assert len(times) > 25
    assert all(0.5 <= at <= 1.1 for at in times)
