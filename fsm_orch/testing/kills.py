"""Killed anywhere: a run whose process is killed at every point in turn, and goes on in another, which may be too.

A point is a commit (before it, in its transaction, after it), a request to a model (before it is sent, after it is
answered), or an effect of code or a tool (before, after, and after its await). The processes are forks, and the signal
is SIGKILL: nothing is closed, and nothing is told to anyone.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..agents.base import Agent
from ..define.machine import AnyMachine, definition_of
from ..define.states import State
from ..define.wording import to_install
from ..errors import StartError
from ..kernel.step import fold
from ..limits import Limits
from ..models.base import Model
from ..resilience.retry import Retry
from ..run import start
from ..run.result import RunResult
from ..run.runner import Runner
from ..run.waiting import Question
from .adversaries import AdversarialModel
from .killed import Killer, Story, in_a_process, open_calls
from .tape import Tape
from .values import by_schema, fields_of
from .witness import WitnessedModel, witnessed


@dataclass(frozen=True)
class Kills:
    """What came of a sweep."""

    points: int
    """How many points an undisturbed run has."""
    trials: int = 0
    """How many runs were killed, once or twice."""
    ends: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    """How many ended in each state, by its name and why they were landed there."""
    sent_again: int = 0
    """How many requests were sent again, since their answers were not stored."""


def assert_survives_kills(
    machine: AnyMachine,
    context: Any,
    *,
    store: str | None = None,
    model: Model | None = None,
    agents: Mapping[State, Agent | Callable[[Any], Any]] | None = None,
    deps: Callable[[], Any] = lambda: None,
    answer: Callable[[Question], Any] | None = None,
    limits: Limits | None = None,
    points: int | None = None,
    pairs: int | None = 0,
    seed: int = 0,
) -> Kills:
    """Assert that a run survives `kill -9` at each of its points, and return what came of the trials.

    Each trial is a run from the start, in a process that is killed at one point; another process goes on with it, to
    the end. Where it is killed twice, so is that one, at one of its own points, and a third goes on. Then the run has
    finished; it was charged at least what its model was paid; no request was sent again whose settlement was stored;
    and no code and no tool has begun twice under one key, unless it is `repeatable`.

    What agents do is really done, once or more in each trial: what they pay, send or delete with comes from `deps`.

    Args:
        machine: the machine.
        context: what each run starts on.
        store: the URL of a database, in which runs are added; None: a file of SQLite in a scratch folder.
        model: answers at once, and always the same. None: one that fills in each form with the first that fits.
        agents: instead of the machine's, by state.
        deps: makes the dependencies of a process.
        answer: answers a question of a human; None: with yes, or with what fills in the form.
        limits: instead of the machine's.
        points: at how many points a run is killed once; None: at each.
        pairs: at how many pairs of points one is killed twice, too; None: at each.
        seed: decides which these are.

    Raises AssertionError: if a run does not survive; says where it was killed, and what broke.
    Raises StartError: if this system has no `fork`, or a package is missing: the extra is `sql`.
    """
    definition_of(machine, "assert_survives_kills")
    if not hasattr(os, "fork"):
        raise StartError("this system cannot fork processes, so none can be killed: try it on Linux or macOS")
    with tempfile.TemporaryDirectory(prefix="fsm_orch_kills_") as folder:
        # what the loss of power would undo survives the end of a process
        url = store or f"sqlite:///{folder}/kills.db?sync=normal"
        sweep = _Sweep(machine, context, url, Path(folder), model, agents or {}, deps, answer, limits)
        return sweep.run(points, pairs, random.Random(seed))  # noqa: S311 - what is tried is no secret


@dataclass
class _Sweep:
    machine: AnyMachine
    context: Any
    url: str
    folder: Path
    model: Model | None
    agents: Mapping[State, Agent | Callable[[Any], Any]]
    deps: Callable[[], Any]
    answer: Callable[[Question], Any] | None
    limits: Limits | None
    _usual: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often an undisturbed run sends each request of each visit."""
    _sent_again: int = 0
    _ends: Counter[tuple[str, str | None]] = field(default_factory=Counter)

    def run(self, points: int | None, pairs: int | None, chance: random.Random) -> Kills:
        (nobody := Killer(self.folder / "nobody", 0)).close()
        self._store()(self.url, nobody).close()  # what is loaded now is loaded in no child
        self._trial()  # makes the tables
        clean = self._trial()
        self._usual, every = clean.sent(), range(1, clean.last["points"] + 1)
        self._ends.clear()
        firsts = chance.sample(every, min(len(every), points)) if points is not None else every
        lengths = {first: self._trial(first).last["points"] for first in firsts}
        twice = [(first, second) for first, length in lengths.items() for second in range(1, length + 1)]
        chosen = twice if pairs is None else chance.sample(twice, min(len(twice), pairs))
        for first, second in chosen:
            self._trial(first, second)
        return Kills(len(every), len(firsts) + len(chosen), self._ends, self._sent_again)

    def _trial(self, *kill_at: int) -> Story:
        """Run, in processes that are killed at some points and a last one that is not; assert that all is well."""
        run_id = "-".join(["killed", self.folder.name[-8:], *map(str, kill_at), os.urandom(2).hex()])
        file = self.folder / f"{run_id}.jsonl"
        for number, at in enumerate([*kill_at, 0]):
            in_a_process(partial(self._drive, run_id, killer := Killer(file, at), number), killer)
        story = Story(file, run_id)
        broken = [*self._broken(story)]
        killed = "".join(
            f", killed {line['point']} (point {n})" for n, line in zip(kill_at, story.of("killed"), strict=False)
        )
        assert not broken, "\n  ".join([f"{self.machine.__name__} does not survive{killed}", *broken])
        self._ends[story.last["state"], story.last["landing"]] += 1
        return story

    def _broken(self, story: Story) -> Iterator[str]:
        """Yield what is wrong with a trial."""
        yield from (line["error"] for line in story.of("raised"))
        last = story.last
        if last["kind"] != "ended" or last["status"] != "finished":
            yield f"it has not ended: the last that is known of it is {dict(last)}"
            return
        if last["charged"] < story.paid:
            yield f"T3: it was charged {last['charged']:,} tokens, and {story.paid:,} were paid"
        yield from (f"what must not be done twice was begun twice under {key!r}" for key in story.twice())
        again, lost = Counter[str](), story.lost()
        for (visit, request), times in story.sent().items():
            again[visit] += max(0, times - max(1, self._usual[visit, request]))
        self._sent_again += again.total()
        for visit, times in again.items():
            if times > lost[visit]:
                yield f"visit {visit!r} sent {times} requests again, of which {times - lost[visit]} were settled"

    # --- in a child ---

    def _drive(self, run_id: str, killer: Killer, number: int) -> None:
        """Drive the run to its end."""
        definition = self.machine.definition
        model = self.model or AdversarialModel(Tape(b""), attacks=(), machine=self.machine)
        runner: Runner[Any, Any] = Runner(
            self.machine,
            model=WitnessedModel(model, killer),
            agents={**self.agents, **witnessed(definition, self.agents, killer)},
            limits=self.limits,
            retry=Retry(jitter_s=0),
            store=self._store()(self.url, killer),
        )
        with asyncio.Runner() as loop:
            result = loop.run(self._to_its_end(runner, run_id, killer, number))
        killer.write(
            "ended",
            points=killer.points,
            status=result.status,
            state=getattr(result.state, "name", None),
            landing=None if result.landing is None else result.landing.reason,
            charged=result.charged_tokens,
        )

    async def _to_its_end(self, runner: Runner[Any, Any], run_id: str, killer: Killer, number: int) -> RunResult[Any]:
        assert runner.store is not None
        deps, journal = self.deps(), () if number == 0 else await runner.store.load(run_id)
        if journal:
            killer.write("found", open=open_calls(fold(start.compiled_for(runner.compiled, journal[0]), journal)))
            result = await runner.resume(run_id, deps=deps)
        else:  # nothing was stored, so nobody was told that it had begun
            result = await runner.run(self.context, run_id=run_id, deps=deps)
        while result.waiting:
            question = result.waiting[0]
            answer = (self.answer or _answer)(question)
            result = await runner.resume(run_id, answer, question=question, id=f"{question.key}!", deps=deps)
        return await runner.resume(run_id, deps=deps)  # as it stands, if it folds to what is stored

    @staticmethod
    def _store() -> Any:
        try:
            from .killed_store import KilledStore  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise StartError(f"runs that survive are kept in a database: {to_install('sql')}") from error
        return KilledStore


def _answer(question: Question) -> Any:
    """Answer a question: with yes, or with the first that fills in its form."""
    if question.tool is not None:
        return True
    tape = Tape(b"")
    return {name: by_schema(part, tape) for name, part in fields_of(question.form)} or "some text"
