"""A stored run that goes on in this process, shown as it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ... import discover
from ...errors import AnswerError, LeaseHeld
from ...kernel.records import Record
from ...run.ids import random_id
from ...run.result import RunResult
from ...run.runner import Runner
from ...run.waiting import Question
from ...store.base import Store
from .. import start
from ..answering import how_to_answer
from ..ask import answer_from, answer_to
from ..moments import moment, until
from ..path import PathWriter, show_result
from ..show import CommandError, complain, interrupted, name_of, safe
from ..stored import found, journal_of, opened, option_of
from .fold import Folded, folded

_AGAIN_S = 0.25
"""The pause between two tries to own a run."""
_LATE_S = 1.0
"""How much longer than a lease a run is waited for."""

Result = RunResult[Any]
GoOn = Callable[[], Coroutine[Any, Any, Result]]


@dataclass
class GoingOn:
    """A run that goes on.

    Args:
        target: names its machine.
        at: the options that name its store, as they are shown.
        path: shows its hops; None: nothing is shown.
        before: where it stood.
    """

    target: str
    at: str
    out: Console
    store: Store
    runner: Runner[Any, Any]
    deps: Any
    path: PathWriter | None
    before: Folded

    @property
    def run_id(self) -> str:
        """Names it."""
        return self.before.now.run_id

    def resume(self, *, effects: bool = False) -> Result:
        """Go on from where its process ended; let its questions expire whose time is over.

        Args:
            effects: of a fork: whether it may begin effects that are not recorded.

        Raises Withheld: if it is a fork that comes to one.
        """
        self._show_before()
        result = self._owning(lambda: self.runner.resume(self.run_id, effects=effects, deps=self.deps))
        if result.status != "waiting":
            return result
        return self._owning(lambda: self.runner.expire(self.run_id, deps=self.deps))

    def answer(self, key: str | None, text: str | None, who: str | None) -> Result | None:
        """Go on with an answer. None: it is in the inbox of a run that another worker drives.

        Args:
            key: of the question; None: the only one.
            text: the answer, as `answer_from` reads it; None: the terminal is asked, again while it does not fit.

        Raises CommandError: if the run does not wait for it, or not any more.
        Raises AnswerError: if `text` does not fit.
        Raises EOFError: if nobody is at the terminal.
        """
        question = _picked(self.before, key)
        _check_in_time(question)
        if text is not None:
            value = answer_from(question, text)  # shown is nothing before it fits
            self._show_before()
            return self._answered(question, value, who)
        self._show_before()
        while True:
            value = answer_to(self.out, question)
            _check_in_time(question)
            try:
                return self._answered(question, value, who)
            except AnswerError as error:
                complain(str(error))

    def _answered(self, question: Question, value: Any, who: str | None) -> Result | None:
        id = random_id()  # one for all tries: it is the same answer
        answering = partial(self.runner.resume, self.run_id, value, question=question, id=id, who=who, deps=self.deps)
        if self.before.now.is_waiting:
            return self._owning(answering)
        try:
            return asyncio.run(answering())
        except LeaseHeld:  # which is raised once it is in the inbox
            return None

    def _show_before(self) -> None:
        if self.path is not None:
            self.path.write(self.before.records)

    def _owning(self, go_on: GoOn) -> Result:
        return asyncio.run(_when_free(go_on, self.store.lease_s or 0.0))

    def show(self, result: Result | None) -> None:
        """Show where it ended, what it waits for, or who finds its answer in the inbox."""
        if result is None:
            by = f"worker {name_of(str(found(self.store, self.run_id).owner))} drives the run"
            self.out.print(f"answered: {by}, and finds the answer in its inbox within seconds", soft_wrap=True)
            return
        if result.status == "finished":
            show_result(self.out, self.before.steps[0].context, result, self.before.compiled.limits.tokens)
            return
        for question in result.waiting:
            said = Text("Waits: ").append(safe(question.text), style="bold yellow")
            self.out.print(
                said.append(f"  ({safe(question.key)}{until(question.expires_at)})", style="not bold dim"),
                soft_wrap=True,
            )
        for line in how_to_answer(self.run_id, self.target, result.waiting, self.at):
            self.out.print(Text(line, style="dim"), soft_wrap=True)


@contextmanager
def going_on(
    out: Console, at: tuple[str, str | None], run_id: str, target: str, *, model: str | None, is_shown: bool
) -> Iterator[GoingOn]:
    """Yield a stored run that goes on; what its machine needs is open until the block is left.

    Args:
        at: the URL of its store, and what makes its codec.

    Raises CommandError: if the store does not know it, or it was started on another machine, or does not fold.
    Raises Drifted: if it folds to something else than when it was stored.
    Raises typer.Exit: if it is interrupted; what became of the run is said then.
    """
    machine = discover.machine(target, Path.cwd())
    with opened(*at) as store:
        run = found(store, run_id)
        before = folded(machine.definition, run, journal_of(store, run))
        path = PathWriter(out, machine.definition, is_alive=False) if is_shown else None
        runner = Runner[Any, Any](
            machine, model=start.model_of(machine, model), observers=_observers(path), store=store
        )
        with start.dependencies(machine) as deps, interrupted(lambda: _standing(store, run_id)):
            yield GoingOn(target, option_of(*at), out, store, runner, deps, path, before)


def _observers(path: PathWriter | None) -> list[Callable[[Record], object]]:
    return [] if path is None else [lambda record: path.write([record])]


def _standing(store: Store, run_id: str) -> str:
    """Return what became of a run that was interrupted."""
    is_over = found(store, run_id).head.status == "finished"
    return "the run was landed" if is_over else "the run can go on: fsm-orch runs resume"


async def _when_free(go_on: GoOn, lease_s: float) -> Result:
    """Go on with a run once nobody drives it. The lease of a worker that has died is waited for.

    Raises LeaseHeld: if its worker is alive.
    """
    loop, is_told = asyncio.get_running_loop(), False
    until = loop.time() + lease_s + _LATE_S
    while True:
        try:
            return await go_on()
        except LeaseHeld as error:
            if loop.time() >= until:
                raise
            if not is_told:
                complain(f"{error}. Waiting: if it has died, its lease is over within {lease_s:.0f} s")
                is_told = True
        await asyncio.sleep(_AGAIN_S)


def _picked(run: Folded, key: str | None) -> Question:
    """Return the question that is answered.

    Raises CommandError: if the run does not wait for it, or for several and none is named.
    """
    now, asked = run.now, {question.key: question for question in run.waiting}
    if not asked:
        raise CommandError(f"run {now.run_id!r} waits for no answer: it is {now.status} in {now.state!r}")
    if key is None and len(asked) > 1:
        raise CommandError(
            f"run {now.run_id!r} waits for several answers: say --question and one of {', '.join(asked)}"
        )
    if key is not None and key not in asked:
        raise CommandError(f"run {now.run_id!r} has no open question {key!r}: it waits for {', '.join(asked)}")
    return asked[key or next(iter(asked))]


def _check_in_time(question: Question) -> None:
    if question.expires_at is not None and time.time() >= question.expires_at:
        raise CommandError(
            f"{question.key!r} has expired at {moment(question.expires_at)}: fsm-orch runs resume lets its run go on"
        )
