"""The runner: performs the effects of the kernel, and folds what the world answers.

It decides nothing. Each attempt of an agent runs in a task of its own, which can be given up without giving up the
run; each of its calls is booked at the run's single writer.
"""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any, Generic, TypedDict, Unpack, cast, get_args, overload

from . import events, kernel, models
from .agents.base import Agent
from .agents.code import CodeAgent
from .attempt import attempt
from .budget import FREE, Price
from .clock import Clock, loop_clock
from .context import Context, journaled
from .definition import Definition, State
from .engine import Compiled
from .errors import CertificateError, ContextError, StartError
from .limits import Limits
from .machine import C, D, Machine
from .messages import Message
from .models.base import Model
from .observe.base import Observer
from .paths import start_objection
from .proof.certificate import Certificate
from .proof.check import check
from .resilience.retry import Retry
from .result import RunResult, RunStream, landing_of, path_of, place
from .run import Run
from .spec import Specified
from .store.base import Store

_PATIENT = Retry()


class Runner(Generic[C, D]):
    """Runs a machine, as often and as concurrently as wanted.

    Args:
        machine: the machine's class.
        model: for agents that name none: `provider:model` or a model. None: the machine's.
        limits: instead of the machine's.
        agents: instead of the machine's, by state, for tests. What a state declares stays as it is; its calls go to
            `model`.
        certificate: bounds of every run, made beforehand; it is checked against all of the above.
        observers: told of every record, as it is made.
        store: keeps the journals; None: each result carries its own.
        retry: tries a call again that failed for now, as a further call of its visit; None does not.
        clock: monotonic seconds; the event loop's by default.
        new_id: makes run ids; random by default.

    Raises StartError: if no run could start: no model for an agent, limits that do not admit the first call, a cost
        limit with a model of unknown price, an agent for another machine's state, or a certificate that is refuted.
    Raises ModelUnavailable: if a named model cannot be had.
    """

    def __init__(
        self,
        machine: type[Machine[C, D]],
        *,
        model: str | Model | None = None,
        limits: Limits | None = None,
        agents: Mapping[State, Agent | Callable[[Any], Any]] | None = None,
        certificate: Certificate | None = None,
        observers: Sequence[Observer] = (),
        store: Store | None = None,
        retry: Retry | None = _PATIENT,
        clock: Clock = loop_clock,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.definition: Definition = machine.definition
        agents = agents or {}
        self._models = _models(self.definition, model or self.definition.model, agents)
        limits = limits or self.definition.limits
        prices = {name: model.price for name, model in self._models.items()}
        _check_start(self.definition, limits, prices)
        self._has_prices = None not in prices.values()
        known = {name: price for name, price in prices.items() if price is not None}
        self.certificate = certificate
        if certificate is not None:
            _check_certificate(certificate, self.definition, limits, known, self._models)
        potential = certificate.potential(self.definition) if certificate else None
        self.machine = Compiled(self.definition, limits=limits, prices=known, potential=potential)
        self._agents = {n: _agent(state, agents.get(state, state.agent)) for n, state in self.definition.states.items()}
        self._observers = tuple(observers)
        if any(map(inspect.iscoroutinefunction, self._observers)):
            raise TypeError("an observer is a plain function: it is called on the event loop and never awaited")
        self.store = store
        self._retry = retry
        self._clock = clock
        self._new_id = new_id

    @overload
    async def run(self: Runner[C, None], context: C, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    @overload
    async def run(self, context: C, *, deps: D, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    async def run(self, context: C, *, deps: Any = None, **options: Unpack[RunOptions]) -> RunResult[C]:
        """Run to the end; whatever fails on the way, the end is a final state.

        Args:
            context: the first snapshot.
            deps: live objects for agents, such as connections; never journaled.
            options: see `RunOptions`.

        Raises StartError: if the context is not the machine's.
        Raises asyncio.CancelledError: if the caller cancels; the run has landed by then.
        """
        return await self._run(self._started(context, options, deps), deps, self._observers)

    @overload
    def run_sync(self: Runner[C, None], context: C, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    @overload
    def run_sync(self, context: C, *, deps: D, **options: Unpack[RunOptions]) -> RunResult[C]: ...

    def run_sync(self, context: C, *, deps: Any = None, **options: Unpack[RunOptions]) -> RunResult[C]:
        """Run to the end on an event loop of its own; see `run`.

        Raises RuntimeError: if an event loop is running already: await `run` there.
        """
        started = self._started(context, options, deps)
        if _is_loop_running():
            raise RuntimeError("run_sync was called where an event loop is running: await run(...) there")
        with asyncio.Runner() as loop:
            return loop.run(self._run(started, deps, self._observers))

    @overload
    def stream(
        self: Runner[C, None], context: C, **options: Unpack[RunOptions]
    ) -> AbstractAsyncContextManager[RunStream[C]]: ...

    @overload
    def stream(
        self, context: C, *, deps: D, **options: Unpack[RunOptions]
    ) -> AbstractAsyncContextManager[RunStream[C]]: ...

    @asynccontextmanager
    async def stream(
        self, context: C, *, deps: Any = None, **options: Unpack[RunOptions]
    ) -> AsyncIterator[RunStream[C]]:
        """Run, giving each record as it is made; leaving the block early cancels the run, which lands it.

        async with runner.stream(context) as events:
            async for record in events: ...
            result = await events.result()
        """
        queue: asyncio.Queue[events.Record | None] = asyncio.Queue()
        running = self._run(self._started(context, options, deps), deps, (*self._observers, queue.put_nowait))
        task = asyncio.create_task(running)
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            yield RunStream(queue, task)
        finally:
            task.cancel()
            await asyncio.wait({task})

    def _started(self, context: C, options: RunOptions, deps: Any) -> events.Started:
        expected, wanted = self.definition.context, self.definition.deps
        if type(context) is not expected:
            raise StartError(f"{self.definition.name} runs on a {expected.__name__}, not on a {type(context).__name__}")
        if wanted is not None and deps is None and type(None) not in get_args(wanted):
            raise StartError(f"{self.definition.name} has dependencies: give them as deps=")
        unknown = sorted(options.keys() - RunOptions.__annotations__.keys())
        if unknown:
            raise TypeError(f"a run takes {', '.join(RunOptions.__annotations__)}, not {', '.join(unknown)}")
        if not all(isinstance(said, Message) for said in options.get("messages", ())):
            raise StartError("the messages of a run are Message objects: Message(role='user', content='...')")
        return events.Started(
            run_id=options.get("run_id") or self._new_id(),
            thread_id=options.get("thread_id"),
            trace_id=options.get("trace_id"),
            context=_journaled(context),
            messages=tuple(options.get("messages", ())),
            digest=self.definition.digest,
            kernel=kernel.VERSION,
            limits=self.machine.limits,
        )

    async def _run(self, started: events.Started, deps: Any, observers: Sequence[Observer]) -> RunResult[C]:
        run = Run(self.machine, started, clock=self._clock, observers=observers, store=self.store)
        try:
            while isinstance(run.effect, events.CallAgent):
                await run.flush()
                state = run.effect.state
                await attempt(run, run.effect, self._agents[state], self._models.get(state), self._retry, deps)
            await run.flush()
        except BaseException as error:  # the caller's cancellation, or a store that failed: never in mid-air
            run.cancel(type(error).__name__)
            await _last_flush(run, error)
            raise
        return self._result(run)

    def _result(self, run: Run) -> RunResult[C]:
        now = run.now
        return RunResult(
            run_id=now.run_id,
            thread_id=now.thread_id,
            state=place(self.definition, now),
            context=cast("C", now.context),  # it was started on a C, and every change keeps its class
            messages=now.messages,
            path=path_of(run.records),
            usage=now.usage,
            charged_tokens=now.ledger.settled.tokens,
            cost_usd=Decimal(now.ledger.settled.cost) / 1_000_000 if self._has_prices else None,
            landing=landing_of(run.records),
            seconds=now.at,
            records=tuple(run.records),
            journal=tuple(run.journal),
            error=run.error,
        )


class RunOptions(TypedDict, total=False):
    """What can be said of one run besides its context and dependencies."""

    messages: Sequence[Message]
    """The conversation so far; none by default."""
    run_id: str
    """Names this run; random by default."""
    thread_id: str
    """Names the conversation that this run is part of."""
    trace_id: str
    """Ties this run to a trace of the caller's; the run id by default."""


def _journaled(context: Context) -> dict[str, Any]:
    try:
        return journaled(context, type(context).__pydantic_fields__)
    except ContextError as error:
        raise StartError(f"this {type(context).__name__} cannot be journaled: {error}") from None


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _last_flush(run: Run, error: BaseException) -> None:
    """Store the end of a run that is raising; if that fails too, the first error is the one to tell."""
    try:
        await asyncio.shield(run.flush())
    except Exception as second:
        error.add_note(f"the end of run {run.now.run_id} could not be stored: {type(second).__name__}")


def _models(definition: Definition, default: str | Model | None, agents: Collection[State]) -> dict[str, Model]:
    """Find the model of each state whose agent makes calls: its own unless the agent is replaced, else the default."""
    foreign = [state for state in agents if state not in definition.states.values()]
    if foreign:
        raise StartError(
            f"{foreign[0]!r} is no state of {definition.name}: its states are {', '.join(definition.states)}"
        )
    found: dict[str, Model] = {}
    for name, state in definition.states.items():
        if state.spec.calls == 0:
            continue
        wanted = (default or state.spec.model) if state in agents else (state.spec.model or default)
        if wanted is None:
            raise StartError(f"State {name!r} needs a model: Runner({definition.name}, model='provider:model')")
        found[name] = models.resolve(wanted) if isinstance(wanted, str) else wanted
    return found


def _check_start(definition: Definition, limits: Limits, prices: Mapping[str, Price | None]) -> None:
    unpriced = [name for name, price in prices.items() if price is None]
    if limits.cost_usd is not None and unpriced:
        raise StartError(
            f"The price of the model of {', '.join(map(repr, unpriced))} is not known, so a cost limit of "
            f"${limits.cost_usd} cannot be kept: use a model with a known price, or limit tokens alone"
        )
    reason = start_objection(definition, limits, prices.get(definition.initial.name) or FREE)
    if reason is not None:
        raise StartError(f"{definition.name} cannot start: {reason}")


def _check_certificate(
    certificate: Certificate, machine: Definition, limits: Limits, prices: Mapping[str, Price], used: dict[str, Model]
) -> None:
    try:
        check(certificate, machine, limits=limits, prices=prices, models={n: model.name for n, model in used.items()})
    except CertificateError as error:
        raise StartError(f"{machine.name} does not start on this certificate. {error}") from None


def _agent(state: State, agent: object) -> Agent:
    return cast("Agent", agent) if isinstance(agent, Specified) else CodeAgent(cast("Any", agent), state.spec)
