"""The runner: what a user runs a machine with. It takes what a run begins with, and gives what it came to.

It decides nothing, and does nothing in between: a driver does what is due, and folds what the world answers. A run that
waits for humans is given out as it stands.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Unpack, overload

from ..agents.base import Agent
from ..clock import Clock
from ..define.definition import Definition
from ..define.machine import C, D, Machine, definition_of
from ..define.states import State
from ..kernel.course import Step
from ..kernel.inputs import Input, Started
from ..kernel.records import Record
from ..limits import Limits
from ..models.base import Model
from ..observe.base import Observer, Tracer
from ..observe.prompted import OnPrompt
from ..proof.bounds.certificate import Certificate
from ..resilience.admission import Admission
from ..resilience.base import Holdings
from ..resilience.gate import Gate
from ..resilience.quota import Quota
from ..resilience.retry import Retry
from ..store.base import Store
from . import given, start
from .cast import cast_of
from .continuing import Continuing
from .delta import Reader, TextDelta
from .driver import Driver
from .entrance import entrance_of
from .first import RunOptions, first_input
from .forking import Forking
from .gates import gates_of
from .ids import random_id
from .looking import Looking
from .loop import running_loop
from .redactable import redactable
from .replaying import Replaying
from .result import RunResult
from .results import Results
from .stream import RunStream
from .warming import Warming
from .working import Working

_PATIENT = Retry()


class Runner(Warming, Continuing[C, D], Forking[C, D], Looking[C], Replaying[C, D], Working[C, D]):
    """Runs a machine, as often and as concurrently as wanted; `async with runner:` keeps its MCP servers connected.

    Args:
        machine: the machine's class.
        model: for agents that name none: `provider:model` or a model. None: the machine's, which holds inside it too
            where a machine there has none of its own.
        limits: instead of the machine's, within which its policies were proved; `assert_policy` proves them in others.
        agents: instead of the machine's, by state, for tests; states of the machines inside it too. What a state
            declares stays as it is; its calls go to `model`.
        certificate: bounds of every run, made beforehand: `Certificate.load(text)`; it is checked against all of the
            above.
        observers: told of every record, as it is made; or what makes traces of them, such as `trace_runs()`.
        on_prompt: told of every request to a model and its response, for debugging: `on_prompt=print`. They hold what
            users and models said, which is otherwise in no record and no log.
        store: keeps the journals, or the URL of one that does: `sqlite:///runs.db`, `postgresql://USER:PASSWORD@HOST/DATABASE`.
            None: each result carries its own.
        redact: fields of the machine's context, `Ticket.email` or several, that the store does not keep: plain texts
            which agents read, and nothing else does. It keeps nothing then of what was said beside fields either: in
            messages, to and by tools, of replies that were refused. A stored run goes on only while nothing of all
            that is still to be read.
        retry: tries a call again that failed for now, as a further call of its visit; None does not.
        gates: what stands before agents, by state, `{Shop.router: Gate(at_once=8)}`, or by the agent itself where a
            state is made of it, as in branches. A state that is shut is no handoff's target.
        admission: lets so many runs be driven at once, and the others wait in line: `Admission(64)`. A run has its
            place while it is driven, and none while it waits for a human. To land one that is cancelled takes none.
        quotas: what the runs of one tenant, or of any other key, may cost together in a window of time:
            `Quota(tokens=1_000_000, per_s=3600)`, or several. What a run may still cost is held while it is driven.
        holdings: holds that for all that are given them, as `SharedGates.holdings()` in Redis does. None: the store's,
            which all share that are on it; of a store that has none, and without a store, this runner's own, in memory.
        clock: monotonic seconds. None: the event loop's.
        wall_clock: seconds of the epoch, by which questions to humans expire.
        new_id: makes run ids; random by default.

    Raises StartError: if no run could start: no model for an agent, limits that do not admit the first call, a cost
        limit with a model of unknown price, an agent for another machine's state, a certificate that is refuted, a
        URL that names no database, a field that may not be redacted, a gate for what is not in the machine, or a quota
        that no run could be admitted within.
    Raises ModelUnavailable: if a named model cannot be had, or what an agent loads, such as an embedder.
    Raises TypeError: if an argument is of a wrong kind, such as the text of a certificate or the class of a store.
    """

    def __init__(
        self,
        machine: type[Machine[C, D]],
        *,
        model: str | Model | None = None,
        limits: Limits | None = None,
        agents: Mapping[State, Agent | Callable[[Any], Any]] | None = None,
        certificate: Certificate | None = None,
        observers: Sequence[Observer | Tracer] = (),
        on_prompt: OnPrompt | None = None,
        store: Store | str | None = None,
        redact: object = (),
        retry: Retry | None = _PATIENT,
        gates: Mapping[Any, Gate] | None = None,
        admission: Admission | None = None,
        quotas: Quota | Sequence[Quota] = (),
        holdings: Holdings | None = None,
        clock: Clock | None = None,
        wall_clock: Clock = time.time,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self.definition: Definition = definition_of(machine, "Runner")
        acting = cast_of(self.definition, model, agents or {})
        models = acting.all_models()
        self.certificate = certificate
        self.compiled = start.compiled(
            self.definition, given.checked_limits(limits) or self.definition.limits, models, certificate
        )
        self._driver = Driver(
            compiled=self.compiled,
            cast=acting,
            observers=given.checked_observers(observers),
            on_prompt=given.checked_on_prompt(on_prompt),
            store=(kept_in := given.checked_store(store)),
            retry=given.checked_retry(retry),
            clock=clock,
            wall_clock=wall_clock,
            redacted=redactable(self.definition, redact),
            gates=None if gates is None else gates_of(self.definition, gates),
            entrance=entrance_of(
                self.compiled, models.values(), admission, quotas, holdings, store=kept_in, wall_clock=wall_clock
            ),
        )
        self._contexts, self._warmths = {}, {}
        self._new_id = new_id
        self._models = {place: model.name for place, model in models.items()}
        self._results = Results(self.definition, has_prices=all(model.price is not None for model in models.values()))

    @property
    def store(self) -> Store | None:
        """Keeps the journals; None: each result carries its own."""
        return self._driver.store

    @property
    def redacted(self) -> frozenset[str]:
        """The names of the fields that the store does not keep."""
        return self._driver.redacted

    @overload
    async def run(self: Runner[C, None], context: C, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    @overload
    async def run(self, context: C, *, deps: D, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    async def run(self, context: C, *, deps: Any = None, **options: Unpack[RunOptions]) -> RunResult[C]:
        """Run to the end, or until only humans are waited for; whatever fails on the way, the end is a final state.

        Args:
            context: the first snapshot.
            deps: live objects for agents, such as connections; never journaled.
            options: see `RunOptions`.

        Raises StartError: if the context is not the machine's, comes with a field set that only agents write, or does
            not come back from JSON; if dependencies are missing or not declared, an id is no text, or messages are not
            `Message` objects or have no place in a conversation; an MCP server cannot be reached, or has changed; or
            it may cost more than a quota has in a whole window.
        Raises Overloaded: if it is not admitted: nothing of it is stored then. One that has waited for a human, and is
            not admitted again once that has answered, is stored: `error.run_id` says so.
        Raises asyncio.CancelledError: if the caller cancels. The run has landed by then and its end is stored, however
            often it is cancelled; from the first time on nothing is sent. One that was not admitted yet has not begun.
        Raises what the store raises: an exit or a cancellation as a StoreError. Nothing is folded for it, and what is
            stored can be folded and resumed.
        Raises BaseException: what an agent or a guard raises and is no failure of its own, such as KeyboardInterrupt or
            what `pytest.fail` raises. The run has landed by then and its end is stored.
        """
        return await self._run(self._started(context, options, deps), deps)

    @overload
    def run_sync(self: Runner[C, None], context: C, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    @overload
    def run_sync(self, context: C, *, deps: D, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    def run_sync(self, context: C, *, deps: Any = None, **options: Unpack[RunOptions]) -> RunResult[C]:
        """Run to the end on an event loop of its own; see `run`.

        Raises RuntimeError: if an event loop is running already: await `run` there.
        """
        first = self._started(context, options, deps)
        if running_loop() is not None:
            raise RuntimeError("run_sync was called where an event loop is running: await run(...) there")
        with asyncio.Runner() as loop:
            return loop.run(self._run(first, deps))

    @overload
    def stream(
        self: Runner[C, None], context: C, *, text: bool = True, **options: Unpack[RunOptions]
    ) -> AbstractAsyncContextManager[RunStream[C]]: ...

    @overload
    def stream(
        self, context: C, *, deps: D, text: bool = True, **options: Unpack[RunOptions]
    ) -> AbstractAsyncContextManager[RunStream[C]]: ...

    @asynccontextmanager
    async def stream(
        self, context: C, *, deps: Any = None, text: bool = True, **options: Unpack[RunOptions]
    ) -> AsyncIterator[RunStream[C]]:
        """Run, giving each record as it is made. Leaving the block early cancels the run, which lands it.

        A reader sees the records of a hop before the next agent acts. What the run raised, such as a store's error,
        is raised where the records are read, or else where the block is left.

        Args:
            text: whether the answer is given too while it is written, as `TextDelta`s, where the model can stream.

        async with runner.stream(context) as events:
            async for event in events: ...
            result = await events.result()
        """
        first, queue = self._started(context, options, deps), asyncio.Queue[Record | TextDelta | None]()
        stream = RunStream(queue, lambda: self._run(first, deps, queue.put_nowait, text=text))
        try:
            yield stream
        finally:
            await stream.leave()

    def replay(self, journal: Iterable[Input]) -> RunResult[C]:
        """Return what a run came to, folded from its journal: the same as the live result, but for `error`.

        No agent acts and no model is called; guards are asked again. Of a journal that was cut off, the result says
        where the run stood then. Of a stored run that follows another it has no `messages`: these are in the store.

        Args:
            journal: `result.journal`, or `await store.load(run_id)`.

        Raises StepError: if it is empty, damaged, or of another machine or kernel.
        Raises TypeError: if it is not a journal, such as a result or a run id.
        """
        events = given.journal_of(journal)
        return self._results.folded(start.compiled_for(self.compiled, events[0] if events else None), events)

    def replay_folded(self, journal: Sequence[Input], steps: Sequence[Step]) -> RunResult[C]:
        """Return what `replay` returns, of a journal that has been folded already.

        Args:
            journal: with one input at least.
            steps: what each input led to, on the machine with the limits and prices of the run.
        """
        return self._results.stepped(start.compiled_for(self.compiled, journal[0]), journal, steps)

    def _started(self, context: C, options: RunOptions, deps: Any) -> Started:
        first = self._first(context, options)
        given.check_deps(self.definition, deps)
        return first

    def _first(self, context: C, options: RunOptions) -> Started:
        first = first_input(self.compiled, context, options, run_id=self._new_id(), models=self._models)
        given.check_thread(first, self.store)
        return first

    async def _run(
        self, first: Started, deps: Any, reader: Reader | None = None, *, text: bool = False
    ) -> RunResult[C]:
        return self._results.of(await self._driver.run(first, deps, reader, text=text))
