"""A signal drains a runner: the runs of a process that is told to end go on in another, and the process ends."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.asking import Claim, Refunds
from support.desk import BILLING, REFUND, Support, Ticket

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.errors import Drained
from fsm_orch.models.base import Request, Response
from fsm_orch.store import News


def told_to_end(number: int, *more: int) -> ScriptedModel:
    """Return a model that sends signals to this process when it is asked, and takes long then."""

    class Signals(ScriptedModel):
        async def complete(self, request: Request) -> Response:
            loop = asyncio.get_running_loop()
            for place, each in enumerate((number, *more)):
                loop.call_later(0.02 * place, os.kill, os.getpid(), each)
            return await super().complete(request)

    return Signals([BILLING, REFUND], delay_s=0.2)


def told(runner: Runner[Ticket, None], **options: Any) -> Callable[[], Any]:
    async def running() -> Any:
        async with runner.draining(**options):
            return await runner.run(Ticket(query="please"), run_id="r")

    return running


class Stopped(MemoryStore):
    """A store in which an answer comes for a run that is let go of, and its process is to end at once."""

    releases = 0
    stop: Callable[[], Any]

    async def release(self, run_id: str, **options: Any) -> News | None:
        """Let an answer come first, and the work be given up."""
        self.releases += 1
        assert self.releases < 9, "it is let go of for ever"
        if self.releases == 1:
            await self.post(run_id, "r:0:1", "by ann", {"handoff": "yes", "note": "ok"})
            stopping = asyncio.ensure_future(self.stop())
            await asyncio.sleep(0.1)
            assert not stopping.done()
        return await super().release(run_id, **options)


@pytest.mark.looptime
async def test_a_run_for_which_an_answer_comes_while_its_process_ends_is_let_go_of() -> None:
    """Nothing is folded here any more, so it is free at once, with the answer in its inbox for another worker."""
    store = Stopped().beside(lease_s=60)
    runner = Runner(Refunds, store=store)
    store.stop = lambda: runner.drain(grace_s=0.0)
    result = await runner.run(Claim(query="x"), run_id="r")
    (row,) = await store.list()
    goes_on = await Runner(Refunds, store=store.beside(lease_s=60)).resume("r")

    assert ("waiting", None) == (result.status, row.owner)
    assert Refunds.paid is goes_on.state


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]


@pytest.mark.parametrize(
    ("signals", "error", "state"),
    [
        ((signal.SIGTERM,), Drained, "billing"),  # the call under way has ended in the grace
        ((signal.SIGTERM, signal.SIGTERM), Drained, "triage"),
        ((signal.SIGINT,), KeyboardInterrupt, "triage"),
    ],
)
def test_a_signal_drains(signals: tuple[int, ...], error: type[BaseException], state: str) -> None:
    """The run is released and goes on elsewhere; the handlers of before are there again."""
    store, before = MemoryStore(), handlers()
    runner = Runner(Support, model=told_to_end(*signals), store=store.beside(lease_s=600))
    with pytest.raises(error):
        asyncio.run(told(runner)())
    (row,) = asyncio.run(store.list())

    assert (None, "running", state) == (row.owner, row.head.status, row.head.state)
    assert before == handlers()
    other = Runner(Support, model=ScriptedModel([REFUND] if state == "billing" else [BILLING, REFUND]), store=store)
    assert Support.answered is asyncio.run(other.resume("r")).state


def test_a_process_with_nothing_to_do_ends() -> None:
    """A service that waits for work is cancelled once nothing is driven, and exits as one that was terminated."""
    runner = Runner(Support, model=ScriptedModel([]), store=MemoryStore().beside(lease_s=600))

    async def serves() -> None:
        async with runner.draining():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

    with pytest.raises(SystemExit) as raised:
        asyncio.run(serves())
    assert 143 == raised.value.code


def test_a_handler_of_another_is_called() -> None:
    """A web server that takes the signal too says when the process ends."""
    calls = list[int]()
    before = signal.signal(signal.SIGTERM, lambda number, _: calls.append(number))
    try:
        runner = Runner(Support, model=told_to_end(signal.SIGTERM), store=MemoryStore().beside(lease_s=600))

        async def serves() -> str:
            async with runner.draining():
                with pytest.raises(Drained):
                    await runner.run(Ticket(query="please"))
                await asyncio.sleep(0.05)
                return "ended by itself"

        assert "ended by itself" == asyncio.run(serves())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [signal.SIGTERM] == calls


def test_a_run_without_a_lasting_store_is_landed_by_ctrl_c() -> None:
    """No other process could go on with it."""
    store = MemoryStore()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(told(Runner(Support, model=told_to_end(signal.SIGINT), store=store))())

    assert "finished" == asyncio.run(store.list())[0].head.status


def test_signals_arrive_in_the_main_thread() -> None:
    """Elsewhere it is said what to use instead."""
    runner = Runner(Support, model=ScriptedModel([]))
    came = list[BaseException]()

    def elsewhere() -> None:
        try:
            asyncio.run(told(runner)())
        except RuntimeError as error:
            came.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert ["signals arrive in the main thread alone: use draining() there, or drain() when told"] == [
        str(error) for error in came
    ]


def test_nothing_is_cancelled_after_the_block(tmp_path: Path) -> None:
    """Who takes `Drained` and goes on to something else is left alone."""
    runner = Runner(Support, model=told_to_end(signal.SIGTERM), store=f"sqlite:///{tmp_path}/runs.db")

    async def goes_on() -> str:
        with pytest.raises(Drained):
            await told(runner)()
        await asyncio.sleep(0.05)
        return "at ease"

    assert "at ease" == asyncio.run(goes_on())
