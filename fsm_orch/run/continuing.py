"""What a runner does with runs that are stored: they go on with an answer, from a crash, or when a question expires."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, Generic, overload

from ..define.definition import Definition
from ..define.machine import C, D
from . import given
from .account import ThreadLeft, left_of
from .driver import Driver
from .result import RunResult
from .waiting import Question
from .writer import Run


class _Nothing(Enum):
    GIVEN = "nothing given"


_NO_ANSWER: Final = _Nothing.GIVEN
"""None is an answer."""


class Continuing(Generic[C, D]):
    """The part of a runner that goes on with stored runs."""

    definition: Definition
    _driver: Driver

    def _result_of(self, run: Run) -> RunResult[C]:
        """Return what a run came to, or where it waits."""
        raise NotImplementedError

    @overload
    async def resume(
        self: Continuing[C, None],
        run_id: str,
        answer: object = ...,
        *,
        question: Question | str | None = None,
        id: str | None = None,
        who: str | None = None,
    ) -> RunResult[C]: ...

    @overload
    async def resume(
        self,
        run_id: str,
        answer: object = ...,
        *,
        question: Question | str | None = None,
        id: str | None = None,
        who: str | None = None,
        deps: D,
    ) -> RunResult[C]: ...

    async def resume(
        self,
        run_id: str,
        answer: object = _NO_ANSWER,
        *,
        question: Question | str | None = None,
        id: str | None = None,
        who: str | None = None,
        deps: Any = None,
    ) -> RunResult[C]:
        """Go on with a stored run: with an answer if it waits for a human, or from where its process ended.

        What was under way when its process ended is done again, under the same key; its calls are charged in full, and
        a tool that is not repeatable counts as failed. The result is of the whole run; observers are told of what is
        new. One worker drives a run at a time, and stores nothing once another has claimed it; of two answers the first
        that is stored counts.

        Args:
            run_id: of a run that this runner's store knows.
            answer: to what it asks. A handoff, or values by field, and the handoff under "handoff"; True or False where
                a tool is to be approved; else JSON.
            question: which of `result.waiting` is answered, or its key. None: the only one.
            id: names the answer, such as by the message that it came in: the same id again is the same answer, which
                counts once, and the run is given as it stands or goes on. Two processes must not give it at once. None:
                a random one.
            who: the human who answers; kept in the journal.
            deps: live objects for agents, as for `run`.

        Raises AnswerError: if the answer does not fit, is late, or another came first, or `id` is of another answer;
            nothing has changed then.
        Raises StartError: if `run_id` is no text, the store does not know the run, it is under way here, or `deps` are
            missing, or an agent, a tool or a human that it may still come to would read what was redacted.
        Raises StepError: if it was started on another machine or kernel.
        Raises Drifted: if its journal folds to something else than when it was stored; nothing is driven then.
        Raises LeaseHeld: if another worker drives it, and is alive.
        Raises asyncio.CancelledError: if the caller cancels. Once the run goes on it has landed by then. Before that
            nothing has changed, unless the answer was on its way to the store: it is kept, and the run is resumed.
        Raises as `run` does, else.
        """
        given.check_deps(self.definition, deps)
        given.check_run_id(run_id)
        if answer is _NO_ANSWER:
            given.check_no_answer(question=question, id=id, who=who)
            return self._result_of(await self._driver.resume(run_id, deps))
        given.check_answer(id=id, who=who)
        return self._result_of(await self._driver.answer(run_id, question, answer, id, who, deps))

    async def thread_left(self, thread_id: str) -> ThreadLeft:
        """Return what the runs of a thread may still take of its limits, now that others may be under way.

        None is what is not limited; nothing is limited without a store.
        """
        limits, store = self._driver.compiled.limits, self._driver.store
        if store is None or not limits.has_thread:
            return ThreadLeft(None, None)
        return await left_of(store, limits, thread_id)

    @overload
    async def expire(self: Continuing[C, None], run_id: str) -> RunResult[C]: ...

    @overload
    async def expire(self, run_id: str, *, deps: D) -> RunResult[C]: ...

    async def expire(self, run_id: str, *, deps: Any = None) -> RunResult[C]:
        """Let the questions of a waiting run expire whose time is over, and go on; if none is, return where it stands.

        A state whose question has expired is left over `on_timeout`, or the run lands.

        Raises AnswerError: if an answer came first.
        Raises as `resume` does, else.
        """
        given.check_deps(self.definition, deps)
        given.check_run_id(run_id)
        return self._result_of(await self._driver.expire(run_id, deps))
