"""A simulation of a fleet: a plan is carried out, and what was promised is watched."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from fsm_orch import Retry, Runner
from fsm_orch.clock import Clock
from fsm_orch.errors import FsmError, StoreError
from fsm_orch.run import working

from .network import Client, Network
from .plans import Host, Job, Plan, Trouble
from .processes import Process, SimulatedLoop
from .rules import Rules
from .stores import InMemory, Shared
from .story import Broken, Story
from .work import Bank, Errands, Order, Orders, Provider

EPOCH_S = 1_000_000.0
"""What the store's clock shows at the start."""
LEASE_S = 6.0
POLL_S = 1.0
CALL_S = 0.7
MACHINES = {machine.definition.digest: machine for machine in (Orders, Errands)}
FLAKY_S = 40.0
"""For how long a network is flaky that has no other trouble."""
BOUND_S = 240.0
"""Within how many seconds after the last trouble every run must have ended."""


@dataclass(frozen=True)
class Came:
    """What came of a simulation."""

    story: Story
    rules: Rules
    seconds: float
    """Of virtual time."""


def simulate(plan: Plan, *, store: Callable[[Clock], Shared] = InMemory, lease_s: float = LEASE_S) -> Came:
    """Carry a plan out, and return what came of it.

    Args:
        store: makes the store, by its clock.

    Raises Broken: if something was not as promised; says how it came to that.
    """
    loop = SimulatedLoop()
    story = Story()
    ours = logging.getLogger("fsm_orch")
    was_told, ours.propagate = ours.propagate, False
    ours.addHandler(story)
    fleet, patch = None, pytest.MonkeyPatch()
    patch.setattr(working, "Random", partial(random.Random, plan.seed))
    try:
        fleet = _Fleet(plan, store(lambda: EPOCH_S + loop.time()), story, loop, lease_s)
        try:
            loop.run_until_complete(fleet.live())
        except Broken as broken:
            raise Broken(f"{broken}\n\n{plan}\n\n{story.table()}") from None
        return Came(story, fleet.rules, loop.time())
    finally:
        if fleet is not None:
            loop.run_until_complete(fleet.bury())
        patch.undo()
        ours.removeHandler(story)
        ours.propagate = was_told
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _Fleet:
    def __init__(
        self, plan: Plan, store: Shared, story: Story, loop: asyncio.AbstractEventLoop, lease_s: float
    ) -> None:
        self._plan, self._store, self._story, self._loop, self._lease_s = plan, store, story, loop, lease_s
        clock = partial(_later_by, loop, EPOCH_S)
        models = Provider(self, takes_s=CALL_S)
        machines = {digest: Runner(machine, model=models).compiled for digest, machine in MACHINES.items()}
        self.rules = Rules(machines, clock, lease_s)
        self.network = Network(random.Random(plan.seed), self.rules, story, is_flaky=plan.is_flaky)
        self._processes: list[Process] = []
        self._on_host: dict[int, tuple[Process, Runner[Any, Any], Runner[Any, Any]]] = {}
        self._times: dict[int, int] = {}

    # what leaves the fleet: see `work.Watched`

    def sent(self, process: Process, run_id: str, number: int) -> None:
        self._story.say(process.name, f"sends {number} for {run_id}")
        self.network.check(partial(self.rules.sent, process, run_id, number))

    def billed(self, run_id: str, number: int) -> None:
        self._story.say("the provider", f"bills {number} for {run_id}")
        self.network.check(partial(self.rules.billed, run_id, number))

    def paid(self, key: str) -> None:
        self._story.say("the bank", f"pays {key}")
        self.network.check(partial(self.rules.paid, key))

    # --- hosts ---

    def _boot(self, number: int) -> None:
        """Start the worker of a host anew."""
        host, name = self._plan.hosts[number], f"h{number}"
        self._times[number] = self._times.get(number, 0) + 1
        process = Process(f"{name}.{self._times[number]}")
        self._processes.append(process)
        drives = frozenset(MACHINES if host.is_new else {Errands.definition.digest})
        client = Client(self.network, self._store.of(self._lease_s, host.skew_s), process, name, drives)
        clock = partial(_later_by, self._loop, EPOCH_S + host.skew_s)
        errands = self._runner(Errands, client, clock)
        orders = self._runner(Orders, client, clock) if host.is_new else errands
        self._on_host[number] = process, orders, errands
        self._story.say(process.name, f"starts, its clock {host.skew_s:+.0f} s off")
        process.begin(partial(self._work, host, orders, errands))

    def _runner(self, machine: Any, client: Client, clock: Clock) -> Runner[Any, Any]:
        provider = Provider(self, takes_s=CALL_S)
        return Runner(machine, model=provider, store=client, wall_clock=clock, retry=Retry(jitter_s=0))

    async def _work(self, host: Host, orders: Runner[Any, Any], errands: Runner[Any, Any]) -> None:
        bank = Bank(self)
        also = [errands] if orders is not errands else []
        with orders._driver.heart.beating() if host.is_busy else nullcontext():
            await orders.work(deps=lambda run: bank, concurrency=host.concurrency, poll_s=POLL_S, also=also)

    def _happens(self, trouble: Trouble) -> None:
        number = trouble.host % len(self._plan.hosts)
        host, (process, orders, errands) = f"h{number}", self._on_host[number]
        until = self._loop.time() + trouble.for_s
        self._story.say(process.name, f"{trouble.kind} for {trouble.for_s} s")
        if trouble.kind in ("crash", "stop"):
            process.stop()
            again = partial(self._boot, number) if trouble.kind == "crash" else partial(self._goes_on, process)
            self._loop.call_later(trouble.for_s, self._if_same, number, process, again)
        elif trouble.kind == "drain":
            process.begin(partial(_drained, orders, errands))
            self._loop.call_later(trouble.for_s + 30, self._if_same, number, process, partial(self._boot, number))
        elif trouble.kind == "cut":
            self.network.cut_until[host] = until
        elif trouble.kind == "slow":
            self.network.slow_until[host] = until
        elif trouble.kind == "restart":
            for name in ("office", *(f"h{n}" for n in self._on_host)):
                self.network.cut_until[name] = until
        elif self.rules.runs:
            run_id = self.network.chance.choice(sorted(self.rules.runs))
            is_order = self.rules.runs[run_id].compiled.definition is Orders.definition
            if is_order <= self._plan.hosts[number].is_new:
                process.begin(partial(self._delivered, orders if is_order else errands, run_id))

    def _if_same(self, number: int, process: Process, what: Callable[[], object]) -> None:
        """Do something with a host, unless it was started again meanwhile."""
        if self._on_host[number][0] is process:
            what()

    def _goes_on(self, process: Process) -> None:
        self._story.say(process.name, "goes on")
        process.go_on()

    async def _delivered(self, runner: Runner[Any, Any], run_id: str) -> None:
        with suppress(FsmError):
            await runner.resume(run_id, deps=Bank(self))

    # --- the office, which queues runs, answers and cancels ---

    async def _job(self, run_id: str, job: Job, office: Process) -> None:
        client = Client(self.network, self._store.of(self._lease_s, 0.0), office, "office", frozenset())
        runner = self._runner(Orders if job.is_order else Errands, client, partial(_later_by, self._loop, EPOCH_S))
        await asyncio.sleep(job.at)
        await _until_done(partial(runner.enqueue, Order(name=f"<{run_id}>"), run_id=run_id))
        wishes = [self._cancels(client, run_id, job.cancel_at)] if job.cancel_at is not None else []
        if job.is_order:
            wishes += [self._answers(runner, client, run_id, job.answer_at, who) for who in ("ann", "bob")]
        await asyncio.gather(*wishes)

    async def _cancels(self, client: Client, run_id: str, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._loop.time()))
        await _until_done(partial(client.ask_cancel, run_id))

    async def _answers(self, runner: Runner[Any, Any], client: Client, run_id: str, at: float, who: str) -> None:
        await asyncio.sleep(max(0.0, at - self._loop.time()))
        while not self.rules.runs[run_id].is_finished:
            journal = await _until_done(partial(client.load, run_id))
            for question in runner.replay(journal).waiting:
                with suppress(StoreError):
                    await client.post(run_id, question.key, f"{run_id} {who}", {"handoff": "yes"}, who=who)
                    return
            await asyncio.sleep(2)

    # --- all of it ---

    async def live(self) -> None:
        """Live through the plan, and then until all runs have ended.

        Raises Broken: if something is not as promised.
        """
        over = asyncio.Event()
        self.network.on_broken = over.set
        self._loop.set_exception_handler(self._failed)
        for number in range(len(self._plan.hosts)):
            self._boot(number)
        office = Process("office")
        self._processes.append(office)
        jobs = {f"r{n}": job for n, job in enumerate(self._plan.jobs)}
        at_work = [office.begin(partial(self._job, run_id, job, office)) for run_id, job in jobs.items()]
        for trouble in self._plan.troubles:
            self._loop.call_at(trouble.at, self._happens, trouble)
        await self._until_over(over, jobs, at_work)
        if self.network.broken is not None:
            raise self.network.broken
        for task in (*at_work, *(task for process in self._processes for task in process.tasks)):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        for run_id in jobs:
            self.rules.ended(run_id)

    async def _until_over(
        self, over: asyncio.Event, jobs: dict[str, Job], at_work: Sequence[asyncio.Task[Any]]
    ) -> None:
        """Wait until all runs have ended, or something is broken.

        Raises Broken: if a run has not ended for long after the last trouble.
        """
        ends = (trouble.at + trouble.for_s + 31 for trouble in self._plan.troubles)
        last = max(FLAKY_S if self._plan.is_flaky else 0.0, *ends, 0.0)
        calm, is_calm = last, False
        while not over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 1.0)
            now = self._loop.time()
            if now >= last and not is_calm:
                is_calm, self.network.is_flaky = True, False
                calm = max(now, self.network.quiet_at)
                self._story.say("the world", f"is calm; the last message arrives at {calm:.1f} s")
            if all(job.done() for job in at_work) and self._are_over(jobs):
                return
            if now > calm + BOUND_S and is_calm:
                left = [run for run in jobs if run not in self.rules.runs or not self.rules.runs[run].is_finished]
                raise Broken(f"lost: {left or 'the office'} has not ended {BOUND_S:.0f} s after the last trouble")

    def _are_over(self, jobs: dict[str, Job]) -> bool:
        return all(run in self.rules.runs and self.rules.runs[run].is_finished for run in jobs)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.network.end(Broken(f"{context.get('message')}: {error!r}"))

    async def bury(self) -> None:
        """Let all tasks end, those of the dead too, when nothing is watched any more."""
        self.network.is_over = True
        self._loop.set_exception_handler(lambda *_: None)
        for process in self._processes:
            process.go_on()
        for _ in range(100):
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=60)


async def _drained(*runners: Runner[Any, Any]) -> None:
    await asyncio.gather(*(runner.drain() for runner in set(runners)))


async def _until_done(asked: Callable[[], Any]) -> Any:
    """Ask a store again and again until it answers."""
    while True:
        try:
            return await asked()
        except StoreError:
            await asyncio.sleep(1)


def _later_by(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    return loop.time() + seconds
