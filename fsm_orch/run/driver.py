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
from ..errors import AnswerError, LeaseHeld, StartError
from ..kernel.effects import Act, Effect, UseTool
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..messages import Message
from ..observe.base import Observer
from ..observe.everywhere import observers_of
from ..observe.prompted import OnPrompt
from ..observe.telling import report
from ..resilience.retry import Retry
from ..store.base import Store
from ..store.values import Claim, News, Post
from . import follows, resume, start
from .account import account_of, begun
from .attempt import attempt
from .cast import Cast
from .delta import OnDelta, Reader
from .drive import Perform, drive
from .driven import Driven, Place
from .head import check_head
from .inbox import CANCELLED, check_folded, expire, folded
from .lease import Heart, let_go, new_epoch, released
from .outlast import outlasted
from .raised import Raised, tried
from .servers import Needs, connected, needs_of
from .tool import use
from .unread import check_unread
from .waiting import Question, answered, chosen, is_given_already
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
    redacted: frozenset[str]
    driven: Driven = field(default_factory=Driven, init=False)
    """The runs that are under way here."""
    _heart: Heart = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_heart", Heart(self.store, self._look_at))

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
        with self.driven.under_way(first.run_id) as place:
            async with connected(self.needs):
                with self._heart.beating():
                    cancelled, epoch = await self._alive(first.run_id), new_epoch()
                    first, heard = await follows.named(self.store, self.compiled, first)
                    first, later = await self._begun(first, epoch)
                    on_delta = reader if text else None
                    run = self._made(self.compiled, (first,), readers, epoch, heard=heard, on_delta=on_delta)
                    async with self._owning(first.run_id, epoch, lambda: run.is_open):
                        self.driven.drive(place, run)
                        await self._drive(run, deps, is_read=reader is not None, cancelled=later or cancelled)
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
        stored, cancelled = await outlasted(
            partial(begun, self.store, self.compiled, first, account, epoch, redacted=self.redacted)
        )
        if isinstance(stored, Raised):
            raise told(first.run_id, stored.error)
        return stored, cancelled

    async def resume(self, run_id: str, deps: Any) -> Run:
        """Go on with a stored run whose process ended, or give it as it is if it waits or has ended."""
        async with self._going_on(run_id, StartError) as (run, news):
            resume.take_over(run)
            await self._fold(run, news)
            await self._drive(run, deps)
        return run

    async def answer(
        self, run_id: str, question: Question | str | None, answer: Any, id: str | None, who: str | None, deps: Any
    ) -> Run:
        """Go on with a stored run that asks a human, with an answer; with one that it has already, as it stands.

        The inbox says which answer was first. So it is put there before anything else, and stays there if whoever
        drives the run is to fold it.

        Raises AnswerError: if it does not fit, is late, or another came first; nothing has changed then.
        Raises LeaseHeld: if it is in the inbox of a run that is under way, here or elsewhere.
        """
        store = resume.checked(self.store)
        seen = await self._seen(run_id)
        if id is not None and is_given_already(seen, id, question, answer):
            return await self.resume(run_id, deps)
        check_unread(seen.compiled, seen.now)
        asked, by = chosen(seen, question), id or random_id()
        event = answered(seen, asked, answer, id=by, who=who, cast=self.cast, now_s=self.wall_clock())
        first = await resume.asked(lambda run: store.post(run, asked.key, by, event.value, who=who), run_id)
        if first != by:
            raise AnswerError(
                f"another answer to {asked.key!r}, {first!r}, came first: it is in the inbox of run {run_id!r}, and "
                f"await runner.resume({run_id!r}) goes on with it if nobody does"
            )
        if run_id in self.driven:
            await self._heart.look()
            raise _in_inbox(run_id, "by this runner")
        async with self._going_on(run_id, AnswerError, is_in_inbox=True) as (run, news):
            resume.take_over(run)
            await self._fold(run, news)  # this answer too, which came before the claim
            await resume.stored(run)
            check_folded(run, asked.key, by)
            await self._drive(run, deps)
        return run

    async def expire(self, run_id: str, deps: Any) -> Run:
        """Let the questions expire whose time is over, and go on if there is one.

        Raises AnswerError: if an answer came first.
        """
        async with self._going_on(run_id, StartError) as (run, news):
            before, is_waiting = len(run.journal), run.now.is_waiting
            await self._fold(run, news)
            if is_waiting:
                # all of them before anything is done: what the first led to may be work, beside which others are late
                expire(run, self.wall_clock())
            await resume.stored(run)
            if not is_waiting and len(run.journal) == before:  # it is not for this to go on with it
                await let_go(resume.checked(self.store), run_id, run.epoch, is_open=bool(run.is_open))
                return run
            resume.take_over(run)
            await self._drive(run, deps)
        return run

    async def cancel(self, run_id: str) -> Run | None:
        """Have a run landed by whoever drives it. Return it if that is nobody else, or if it has ended."""
        store = resume.checked(self.store)
        await resume.asked(store.ask_cancel, run_id)
        if run_id in self.driven:
            self.driven.land(run_id, CANCELLED)  # the store may not know it yet
            return None
        try:
            async with self._going_on(run_id, StartError, needs={}) as (run, news):
                resume.take_over(run)
                await self._fold(run, news)
                await self._drive(run, None)
        except LeaseHeld:
            return None
        return run

    async def _drive(
        self, run: Run, deps: Any, *, is_read: bool = False, cancelled: asyncio.CancelledError | None = None
    ) -> None:
        """Drive a run until it has ended, or is let go of because it waits."""
        perform = self._performing(run, deps)
        while True:
            await drive(run, perform, is_read=is_read, cancelled=cancelled)
            if self.store is None or run.is_finished or not await self._has_come(self.store, run):
                return

    async def _has_come(self, store: Store, run: Run) -> bool:
        """Let go of a run that waits, unless something has come for it. Return whether that is folded."""
        while True:
            news, cancelled = await released(
                store, run.now.run_id, run.epoch, is_open=bool(run.is_open), unless_news=True
            )
            if cancelled is not None:
                raise cancelled
            if news is None:
                return False
            run.come_back()
            before = len(run.journal)
            await self._fold(run, news)
            if len(run.journal) > before:
                return True
            run.leave()

    async def _fold(self, run: Run, news: News) -> None:
        """Fold what came for a run, and refuse what does not fit."""
        for post in folded(run, news, self.cast):
            await self._refuse(run, post)

    def _look_at(self, all_news: Sequence[News]) -> None:
        """Fold what came for runs that are under way here, and let their questions expire."""
        for news in all_news:
            self.driven.tell(news.run_id, partial(self._fold_now, news))
        self.driven.tell_all(lambda run: expire(run, self.wall_clock()))

    def _fold_now(self, news: News, run: Run) -> None:
        for post in folded(run, news, self.cast):
            refusing = asyncio.ensure_future(self._refuse(run, post))
            _REFUSING.add(refusing)
            refusing.add_done_callback(_REFUSING.discard)

    async def _refuse(self, run: Run, post: Post) -> None:
        """Take an answer out of the inbox, so that another may come. A store that fails is logged."""
        assert self.store is not None  # it came from there
        refuse = partial(self.store.refuse, run.now.run_id, post.question, post.id, epoch=run.epoch)
        if isinstance(came := await tried(refuse), Raised):
            report("an answer could not be refused: the store raised %s", type(came.error).__name__)

    async def _seen(self, run_id: str) -> Run:
        """Return a stored run as it stands, which is not driven.

        Raises StartError: if the store does not know it.
        """
        journal = await resume.loaded(resume.checked(self.store), run_id)
        if not journal:
            raise resume.not_known(run_id)
        return Run(start.compiled_for(self.compiled, journal[0]), journal, clock=lambda: journal[-1].at, is_stored=True)

    @asynccontextmanager
    async def _driving(self, run_id: str, error: type[AnswerError | StartError], needs: Needs) -> AsyncIterator[Place]:
        if run_id in self.driven:
            raise error(f"run {run_id!r} is under way in this runner: wait until it has ended, or waits")
        with self.driven.under_way(run_id) as place:
            async with connected(needs):
                yield place

    @asynccontextmanager
    async def _going_on(
        self,
        run_id: str,
        error: type[AnswerError | StartError],
        *,
        needs: Needs | None = None,
        is_in_inbox: bool = False,
    ) -> AsyncIterator[tuple[Run, News]]:
        """Own a stored run, folded from its journal, until the block is left. Yield it, and what came for it.

        Args:
            error: is raised if it is under way here.
            needs: what to connect; None: all.
            is_in_inbox: whether an answer is, which whoever drives the run folds.

        Raises LeaseHeld: if another worker drives it.
        Raises Drifted: if the fold is not what was stored.
        Raises StartError: if what was redacted in it would be read.
        """
        store, run = resume.checked(self.store), None
        async with self._driving(run_id, error, self.needs if needs is None else needs) as place:
            with self._heart.beating():
                if cancelled := await self._alive(run_id):
                    raise cancelled
                try:
                    claim = await resume.claimed(store, run_id)
                except LeaseHeld as held:
                    if is_in_inbox:
                        raise _in_inbox(run_id, f"elsewhere ({held})") from held
                    raise

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
                    if not claim.news.is_cancel_asked:  # else it is landed, and reads nothing more
                        check_unread(compiled, run.now)
                    self.driven.drive(place, run)
                    yield run, claim.news

    async def _heard(
        self, store: Store, compiled: CompiledMachine, first: Input, claim: Claim
    ) -> tuple[Message, ...] | None:
        """Return what was said before a stored run; None if nobody can tell any more, and nobody has to hear it."""
        if not isinstance(first, Started):  # the fold says so
            return ()
        try:
            return await follows.heard_before(store, compiled, first)
        except StartError:
            if claim.head.status != "finished" and not claim.news.is_cancel_asked:
                raise
            return None

    @asynccontextmanager
    async def _owning(self, run_id: str, epoch: int, is_open: Callable[[], bool | None]) -> AsyncIterator[None]:
        """Let go of a run if the block raises.

        Args:
            is_open: returns whether it is left with something open; None: it has finished.
        """
        try:
            yield
        except GeneratorExit:  # this coroutine is being closed, and may not wait any more
            raise
        except BaseException:
            if self.store is not None and (left := is_open()) is not None:
                await let_go(self.store, run_id, epoch, is_open=left)
            raise

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
            redacted=self.redacted,
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


_REFUSING: set[asyncio.Future[None]] = set()
"""Answers that are being taken out of their inboxes; an event loop alone would forget it."""


def _in_inbox(run_id: str, where: str) -> LeaseHeld:
    """Return what is told to who answers a run that is under way."""
    return LeaseHeld(
        f"run {run_id!r} is driven {where}: the answer is in its inbox, where it is the first, and is folded at the "
        "next beat if its question is still open then"
    )


def random_id() -> str:
    """Return an id of a run or an answer: as long as a UUID, and made in a fifth of its time."""
    return secrets.token_hex(16)
