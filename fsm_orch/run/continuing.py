"""What a runner does with runs that are stored: they go on with an answer, from a crash, or when a question expires."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Any, Final, Generic, overload

from ..define.definition import Definition
from ..define.machine import C, D
from . import given, going_on
from .account import ThreadLeft, left_of
from .draining import draining
from .driver import Driver
from .result import RunResult
from .results import Results
from .waiting import Question


class _Nothing(Enum):
    GIVEN = "nothing given"


_NO_ANSWER: Final = _Nothing.GIVEN
"""None is an answer."""


class Continuing(Generic[C, D]):
    """The part of a runner that goes on with stored runs."""

    definition: Definition
    _driver: Driver
    _results: Results[C]

    @overload
    async def resume(
        self: Continuing[C, None],
        run_id: str,
        answer: object = ...,
        *,
        question: Question | str | None = None,
        id: str | None = None,
        who: str | None = None,
        effects: bool = ...,
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
        effects: bool = ...,
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
        effects: bool = False,
        deps: Any = None,
    ) -> RunResult[C]:
        """Go on with a stored run: with an answer if it waits for a human, or from where its process ended.

        What was under way when its process ended is done again, under the same key; its calls are charged in full, and
        a tool that is not repeatable counts as failed. The result is of the whole run; observers are told of what is
        new. One worker drives a run at a time, and stores nothing once another has claimed it; of two answers to one
        question the first in the inbox of the run counts.

        A run can ask a human while something else is at work in it, and whoever drives it folds an answer at its next
        beat. Then `LeaseHeld` says that the answer, which was tried before, is in the inbox: there is no result yet.

        Args:
            run_id: of a run that this runner's store knows.
            answer: to what it asks. A handoff, or values by field, and the handoff under "handoff"; True or False where
                a tool is to be approved; else JSON.
            question: which of `result.waiting` is answered, or its key. None: the only one.
            id: names the answer, such as by the message that it came in: the same id again is the same answer, which
                counts once, and the run is given as it stands or goes on. Two processes must not give it at once. None:
                a random one.
            who: the human who answers; kept in the journal.
            effects: of a fork: whether it may begin code and tools of which the runs that it comes from have recorded
                nothing, or which are forgotten. What they have recorded is given to it, and not begun. Of any other run
                it means nothing.
            deps: live objects for agents, as for `run`.

        Raises AnswerError: if the answer does not fit, or `id` is of another answer; an `AnswerLate` if its question is
            not open any more, or another came first. Nothing has changed then.
        Raises StartError: if `run_id` is no text, the store does not know the run, it is under way here and no answer
            is given, this runner was drained, `deps` are missing, or an agent, a tool or a human that it may still come
            to would read what was redacted.
        Raises StepError: if it was started on another machine or kernel.
        Raises Drifted: if its journal folds to something else than when it was stored; nothing is driven then.
        Raises LeaseHeld: if another worker drives it, and is alive; an answer is in its inbox then, and so it is if
            this runner drives it.
        Raises Withheld: if it is a fork without `effects`, and nothing is due any more but what must not begin. It is
            stored as it stands, and free.
        Raises Overloaded: if it is not admitted. It is stored as it stands, its answer included, and free: `resume`
            without an answer goes on with it.
        Raises asyncio.CancelledError: if the caller cancels. Once the run goes on it has landed by then. Before that
            nothing has changed, unless the answer was on its way to the store: it is kept, and the run is resumed.
        Raises what the store raises: the answer may be kept then, so that the same id, or no answer, goes on with it.
        Raises as `run` does, else.
        """
        given.check_deps(self.definition, deps)
        given.check_run_id(run_id)
        if answer is _NO_ANSWER:
            given.check_no_answer(question=question, id=id, who=who)
            return self._results.of(await going_on.resume(self._driver, run_id, deps, effects=effects))
        given.check_answer(id=id, who=who)
        return self._results.of(
            await going_on.answer(self._driver, run_id, question, answer, id=id, who=who, deps=deps, effects=effects)
        )

    async def cancel(self, run_id: str, *, who: str | None = None) -> RunResult[C] | None:
        """Land a run, whoever drives it. Return its result, or None if it is driven: then it lands within a beat.

        A run that nobody drives is landed here; of one that has ended the result is returned, and nothing changes.
        Whoever waits for a run that is driven gets its result. A beat is a third of the lease of the store; for a run
        of this runner it is at once.

        Args:
            run_id: of a run that the store knows.
            who: names the human who cancels it. The journal keeps it, in the words that say why the run was landed.

        Raises StartError: if `run_id` or `who` is no text, the store does not know the run, or this runner was drained.
        Raises as `resume` does, else.
        """
        given.check_run_id(run_id)
        given.check_canceller(who)
        run = await going_on.cancel(self._driver, run_id, who)
        return None if run is None else self._results.of(run)

    async def drain(self, *, grace_s: float = 10.0) -> None:
        """Stop driving runs, since the process is to end. Return once nothing is under way in this runner.

        From now on nothing begins: `run` and `resume` raise `StartError`, nothing is sent, and no agent acts. What is
        under way, such as a request that was sent, may end within the grace, and counts; then it is stopped, and its
        calls are charged in full. Each run that has not ended is stored and released, also if its caller cancels from
        now on, and whoever waits for it gets `Drained`. `resume` goes on with it in another process. Without a store
        that outlives this one, a run goes on here within the grace, and is then landed.

        Args:
            grace_s: how long what is under way may take to end. An agent that is stopped has a second more to clean up,
                and a database that is away is waited for. To drain again with 0 ends the grace at once.
        """
        await self._driver.driven.drain(grace_s)

    def draining(self, *, grace_s: float = 10.0) -> AbstractAsyncContextManager[None]:
        """Drain this runner if the process is told to end, until the block is left; on the loop of the main thread.

        async with runner.draining():
            result = await runner.run(context)

        At SIGTERM it is drained; the second one ends the grace. Then the block is cancelled, and raises `SystemExit`
        (143), unless the signal had a handler before, such as a web server's: that is called at once, and says when
        the process ends. At Ctrl-C what is under way is left at once, and `KeyboardInterrupt` is raised as ever; a run
        with a store that outlives the process is released then, and not landed.

        Args:
            grace_s: as of `drain`; less than what the process is given, such as the 30 s of Kubernetes.

        Raises RuntimeError: in another thread than the main one.
        """
        return draining(self._driver.driven, grace_s)

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
        return self._results.of(await going_on.expire(self._driver, run_id, deps))
