"""A run as Temporal sees it: a workflow, whose activity goes on with the run until it ends or waits.

Temporal's history holds the id of the run, and why it could not go on; no field, message or secret is in it. An
activity whose worker has died is tried again, and the lease of the store keeps out whoever comes too early.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from ..errors import StepError, Withheld
from ..run.raised import Raised, tried
from ..run.worker import told
from .base import Outcome, Runners

_DRIVE, _CANCEL = "fsm_orch.drive", "fsm_orch.cancel"
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))  # without end
_FOR_GOOD, _SOON = timedelta(days=3_650), timedelta(seconds=60)


@workflow.defn(name="fsm_orch.run", sandboxed=False)  # else this library would be imported again for each run
class RunWorkflow:
    """Has a run driven until it ends or waits. To cancel it lands the run; to terminate it stops nothing."""

    @workflow.run
    async def run(self, run_id: str, heartbeat_s: float) -> Outcome:
        """Return what became of the run.

        Args:
            heartbeat_s: how long an activity may be silent before it is tried again.
        """
        driving = workflow.start_activity(
            _DRIVE,
            run_id,
            start_to_close_timeout=_FOR_GOOD,
            heartbeat_timeout=timedelta(seconds=heartbeat_s),
            retry_policy=_RETRY,
        )
        try:
            return await asyncio.shield(driving)
        except asyncio.CancelledError:
            await workflow.execute_activity(_CANCEL, run_id, start_to_close_timeout=_SOON, retry_policy=_RETRY)
            await driving
            raise


class Activities:
    """The activities of a worker.

    Args:
        grace_s: how long what is under way may take to end, when the worker shuts down.
    """

    def __init__(self, runners: Runners, grace_s: float) -> None:
        self._runners, self.grace_s = runners, grace_s
        self.heartbeat_s = max(5.0, runners.lease_s * 2 / 3)
        """How long one may be silent: the store gives nobody the run of a worker that died much sooner."""

    @activity.defn(name=_DRIVE)
    async def drive(self, run_id: str) -> Outcome:
        """Go on with a run until it ends or waits; if the worker shuts down, until it is drained.

        Whatever else Temporal cancels it for, the run goes on: the workflow has asked to land it, or Temporal was away
        and takes this worker for dead, and whoever is told to go on finds out from the store that it is not.

        Raises ApplicationError: if the run is to be tried again, or can never go on.
        """
        driving = asyncio.ensure_future(tried(partial(self._runners.deliver, run_id)))
        ending = asyncio.ensure_future(self._drained())
        while not driving.done():
            activity.heartbeat()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([driving], timeout=self.heartbeat_s / 4)
        ending.cancel()
        return self._result(run_id, driving.result())

    @activity.defn(name=_CANCEL)
    async def cancel(self, run_id: str) -> None:
        """Land a run, or ask whoever drives it to do so.

        Raises ApplicationError: if that is to be tried again, or the run can never go on.
        """
        came = await tried(partial(self._cancel, run_id))
        if isinstance(came, Raised):
            raise _failure(run_id, came.error) from None

    async def _cancel(self, run_id: str) -> None:
        for row in await self._runners.store.list(run_id=run_id):
            runner = self._runners.by_digest.get(row.digest)
            await (self._runners.store.ask_cancel(run_id) if runner is None else runner.cancel(run_id))

    async def _drained(self) -> None:
        await activity.wait_for_worker_shutdown()
        await self._runners.drain(self.grace_s)

    def _result(self, run_id: str, came: Outcome | Raised) -> Outcome:
        if isinstance(came, Raised):
            raise _failure(run_id, came.error) from None
        if came == "not known":
            why = f"run {run_id!r} is not known to the store of this worker: it was never stored there, or pruned"
            raise ApplicationError(why, type="NotKnown", non_retryable=True)
        if came in ("finished", "waits"):
            return came
        # who drives it may be dead, which shows when its lease is over
        again = timedelta(seconds=0.1 if came == "drained" else self._runners.lease_s / 4)
        benign = ApplicationErrorCategory.BENIGN
        raise ApplicationError(f"run {run_id!r} was {came}", category=benign, next_retry_delay=again)


def _failure(run_id: str, error: BaseException) -> ApplicationError:
    """Return what Temporal is told of an error, and shows; what no other try can mend is not tried again.

    Such is a fork that came to an effect: whoever wants it begun says so.
    """
    why = f"run {run_id!r} could not go on: {told(error)}"
    return ApplicationError(why, type=type(error).__name__, non_retryable=isinstance(error, StepError | Withheld))
