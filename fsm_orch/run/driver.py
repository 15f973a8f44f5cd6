"""The driver: begins runs, and goes on with those that are stored, from one cast, store and clock."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from ..clock import Clock
from ..errors import AnswerError, StartError
from ..kernel import inputs
from ..kernel.effects import Act, Effect, UseTool
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..messages import Message
from ..observe.base import Observer
from ..observe.everywhere import observers_of
from ..observe.prompted import OnPrompt
from ..resilience.retry import Retry
from ..store.base import Store
from ..store.values import Claim
from . import follows, resume, start
from .account import account_of, begun
from .attempt import attempt
from .cast import Cast
from .delta import OnDelta, Reader
from .drive import Perform, drive
from .head import check_head
from .lease import Heart, let_go, new_epoch
from .outlast import outlasted
from .raised import Raised
from .servers import Needs, connected, needs_of
from .tool import use
from .waiting import Question, answered, chosen, is_given_already, overdue
from .work import Doing
from .writer import Run, told


@dataclass(frozen=True, kw_only=True, eq=False)
class Driver:
    """What drives the runs of one machine. What each argument means is said by `Runner`."""

    compiled: CompiledMachine
    cast: Cast
    observers: tuple[Observer, ...]
    on_prompt: OnPrompt | None
    store: Store | None
    retry: Retry | None
    clock: Clock | None
    wall_clock: Clock
    _under_way: set[str] = field(default_factory=set)
    _heart: Heart = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_heart", Heart(self.store))

    @cached_property
    def needs(self) -> Needs:
        """The servers that must be connected while a run is driven."""
        return needs_of(self.cast)

    async def run(self, first: Started, deps: Any, reader: Reader | None = None, *, text: bool = False) -> Run:
        """Drive a run that begins.

        Args:
            reader: reads its records as they are made.
            text: whether it is told of the text of its answer too, while that is written.
        """
        readers = () if reader is None else (reader,)
        async with connected(self.needs):
            is_first = first.run_id not in self._under_way  # a second run under one id is refused by the store
            self._under_way.add(first.run_id)
            try:
                with self._heart.beating():
                    cancelled, epoch = await self._alive(first.run_id), new_epoch()
                    first, heard = await follows.named(self.store, self.compiled, first)
                    first, later = await self._begun(first, epoch)
                    on_delta = reader if text else None
                    run = self._made(self.compiled, (first,), readers, epoch, heard=heard, on_delta=on_delta)
                    async with self._owning(first.run_id, epoch, lambda: run.is_open):
                        perform, is_read = self._performing(run, deps), reader is not None
                        await drive(run, perform, is_read=is_read, cancelled=later or cancelled)
            finally:
                if is_first:
                    self._under_way.discard(first.run_id)
            return run

    async def _alive(self, run_id: str) -> asyncio.CancelledError | None:
        """See to it that this worker is alive in the store. Return what its caller cancelled meanwhile."""
        try:
            return await self._heart.begin()
        except BaseException as error:
            raise told(run_id, error) from None

    async def _begun(self, first: Started, epoch: int) -> tuple[Started, asyncio.CancelledError | None]:
        """Move to a run what it may take of its thread. Return its beginning, and what its caller cancelled meanwhile.

        A caller does not cut the store off: money may have been moved, which only the end of the run gives back.
        """
        account = account_of(first)
        if account is None:
            return first, None
        assert self.store is not None  # a run of a thread with limits is refused without one
        stored, cancelled = await outlasted(partial(begun, self.store, self.compiled, first, account, epoch))
        if isinstance(stored, Raised):
            raise told(first.run_id, stored.error)
        return stored, cancelled

    async def resume(self, run_id: str, deps: Any) -> Run:
        """Go on with a stored run whose process ended, or give it as it is if it waits or has ended."""
        async with self._going_on(run_id, StartError) as run:
            resume.take_over(run)
            await drive(run, self._performing(run, deps), is_read=False)
        return run

    async def answer(
        self, run_id: str, question: Question | str | None, answer: Any, id: str | None, who: str | None, deps: Any
    ) -> Run:
        """Go on with a stored run that waits for a human, with an answer; with one that it has already, as it stands.

        Raises AnswerError: if it does not fit, is late, or another came first; nothing has changed then.
        """
        async with self._going_on(run_id, AnswerError) as run:
            if id is None or not is_given_already(run, id, question, answer):
                asked, by = chosen(run, question), id or random_id()
                event = answered(run, asked, answer, id=by, who=who, cast=self.cast, now_s=self.wall_clock())
                await self._put(run, event)
            resume.take_over(run)
            await drive(run, self._performing(run, deps), is_read=False)
        return run

    async def expire(self, run_id: str, deps: Any) -> Run:
        """Let the questions expire whose time is over, and go on if there is one.

        Raises AnswerError: if an answer came first.
        """
        async with self._going_on(run_id, StartError) as run:
            if not run.now.is_waiting or overdue(run, self.wall_clock()) is None:
                return run
            # all of them before anything is done: what the first has led to may be work, beside which others are late
            while (late := overdue(run, self.wall_clock())) is not None:
                detail = f"nobody answered {late.key!r} in time"
                await self._put(run, inputs.Failed(reason="timeout", detail=detail, at=run.now.at, path=late.path))
            resume.take_over(run)
            await drive(run, self._performing(run, deps), is_read=False)
        return run

    @asynccontextmanager
    async def _driving(self, run_id: str, error: type[AnswerError | StartError]) -> AsyncIterator[None]:
        if run_id in self._under_way:
            raise error(f"run {run_id!r} is under way in this runner: wait until it has ended, or waits")
        self._under_way.add(run_id)
        try:
            async with connected(self.needs):
                yield
        finally:
            self._under_way.discard(run_id)

    @asynccontextmanager
    async def _going_on(self, run_id: str, error: type[AnswerError | StartError]) -> AsyncIterator[Run]:
        """Own a stored run, folded from its journal, until the block is left.

        Raises Drifted: if the fold is not what was stored.
        """
        store, run = resume.checked(self.store), None
        async with self._driving(run_id, error):
            with self._heart.beating():
                if cancelled := await self._alive(run_id):
                    raise cancelled
                claim = await resume.claimed(store, run_id)

                def is_open() -> bool | None:
                    if run is not None:
                        return run.is_open
                    return None if claim.head.status == "finished" else claim.taken_from is not None

                async with self._owning(run_id, claim.epoch, is_open):
                    journal = await resume.loaded(store, run_id)
                    compiled = start.compiled_for(self.compiled, journal[0])
                    heard = await self._heard(store, compiled, journal[0], claim)
                    run = self._made(compiled, journal, (), claim.epoch, claim=claim, heard=heard)
                    resume.note_begun(run, claim)
                    yield run

    async def _heard(
        self, store: Store, compiled: CompiledMachine, first: Input, claim: Claim
    ) -> tuple[Message, ...] | None:
        """Return what was said before a stored run; None of one that has ended, if nobody can tell any more."""
        if not isinstance(first, Started):  # the fold says so
            return ()
        try:
            return await follows.heard_before(store, compiled, first)
        except StartError:
            if claim.head.status != "finished":
                raise
            return None

    @asynccontextmanager
    async def _owning(self, run_id: str, epoch: int, is_open: Callable[[], bool | None]) -> AsyncIterator[None]:
        """Let go of a run when the block is left.

        Args:
            is_open: returns whether it is left with something open; None: it has finished.
        """

        async def leave() -> None:
            if self.store is not None and (left := is_open()) is not None:
                await let_go(self.store, run_id, epoch, is_open=left)

        try:
            yield
        except GeneratorExit:  # this coroutine is being closed, and may not wait any more
            raise
        except BaseException:
            await leave()
            raise
        await leave()

    async def _put(self, run: Run, event: Input) -> None:
        assert self.store is not None  # the run was loaded from it
        await resume.put(self.store, run, event)

    def _made(
        self,
        compiled: CompiledMachine,
        journal: Sequence[Input],
        readers: Sequence[Observer],
        epoch: int,
        *,
        claim: Claim | None = None,
        heard: tuple[Message, ...] | None = (),
        on_delta: OnDelta | None = None,
    ) -> Run:
        run = Run(
            compiled,
            journal,
            # the loop's time, not `time.monotonic`: timeouts and records agree, and a test's virtual loop moves both
            clock=self.clock or asyncio.get_running_loop().time,
            observers=(*self.observers, *readers, *observers_of(self.compiled.definition)),
            store=self.store,
            is_stored=claim is not None,
            epoch=epoch,
            responses=() if claim is None else claim.responses,
            heard=heard,
            on_prompt=self.on_prompt,
            on_delta=on_delta,
        )
        if claim is not None:
            check_head(compiled, run.now, claim.head)
        return run

    def _performing(self, run: Run, deps: Any) -> Perform:
        """Return what begins a piece of work of a run."""
        ours, retry, wall = self.cast, self.retry, self.wall_clock

        def perform(effect: Effect) -> Doing | None:
            cast = ours.at(run.levels(effect.path)) if effect.path else ours
            state = effect.state
            if isinstance(effect, Act):
                return attempt(run, effect, cast.agents[state], cast.models.get(state), retry, deps, wall)
            assert isinstance(effect, UseTool)  # what a human is asked is waited for
            return use(run, effect, cast.agents[state], deps)

        return perform


def random_id() -> str:
    """Return an id of a run or an answer: as long as a UUID, and made in a fifth of its time."""
    return secrets.token_hex(16)
