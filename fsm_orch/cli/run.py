"""`fsm-orch run`: run a machine once, and show the run as it happens."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from .. import discover
from ..define.context import Context
from ..errors import AnswerError, Drained
from ..kernel.records import Record
from ..observe.log import log_records
from ..run.ids import random_id
from ..run.result import RunResult
from ..run.runner import Runner
from ..store.memory import MemoryStore
from . import outcome, start
from .answering import how_to_answer
from .ask import answer_to
from .logs import json_logger
from .path import PathWriter, show_result
from .prompts import prompt_writer
from .show import complain, complaints, console, interrupted
from .stored import CodecName, OptionalStoreUrl, opened, option_of

_KEEP = "run it with --store, which keeps it for `fsm-orch runs answer`"


def run(
    target: start.Target,
    text: Annotated[
        str | None, typer.Argument(help="Value of the context's only required str field.", show_default=False)
    ] = None,
    *,
    fields: Annotated[
        str, typer.Option("--context", metavar="JSON", help="Other fields of the initial context, as a JSON object.")
    ] = "{}",
    model: start.ModelName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Log each event to stderr as a line of JSON.")] = False,
    store: OptionalStoreUrl = None,
    codec: CodecName = None,
    prompts: Annotated[
        bool, typer.Option("--show-prompts", help="Write to stderr what each model is asked and answers.")
    ] = False,
) -> None:
    """Run a machine once and show its path.

    A machine with dependencies, such as Machine[Ticket, Shop], gets them from the function deps() of its module. That
    returns the dependencies, or a context manager that opens them before the run and closes them afterwards.

    Where the run waits for a human, the question is asked here, and asked again while the answer does not fit. With
    --json, or if nobody is at the terminal, it is printed instead, and the run is left.

    With --store it survives its process: `fsm-orch runs` lists it, goes on with it, and answers what it waits for.
    SIGTERM stops it once what is under way has ended, within 10 s, and Ctrl-C at once: it is released then, not landed.

    Exit codes: 0 the run ended, possibly by a landing (see "landing" in --json); 2 it could not start; 3 it waits for a
    human; 130 it was interrupted: it has landed, unless it waits for a human, or --store keeps it; 143 it was
    terminated, and --store keeps it.
    """
    is_kept = store is not None
    keeping = nullcontext(MemoryStore()) if store is None else opened(store, codec, is_there=False)
    with complaints(), outcome.json_alone(as_json) as stdout, keeping as kept:
        machine = discover.machine(target, Path.cwd())
        context = start.context(machine.definition.context, text, fields)
        run_id = random_id()
        at = None if store is None else option_of(store, codec)
        resume = f"fsm-orch runs resume {run_id} {shlex.quote(target)} {at}"
        began = _Began(f"run {run_id} is kept. If this ends: {resume}" if is_kept and not as_json else None)
        became = "the run is stored, and goes on by fsm-orch runs resume" if is_kept else "the run was landed"
        runner = Runner[Any, Any](
            machine,
            model=start.model_of(machine, model),
            observers=[began, log_records(json_logger())] if events else [began],
            on_prompt=prompt_writer(console(stderr=True)) if prompts else None,
            store=kept,
        )
        ended = partial(began.say, became)
        with start.dependencies(machine) as deps, interrupted(ended), _terminated(ended):
            if as_json:
                running = runner.run(context, deps=deps, run_id=run_id)
                result = asyncio.run(_drained(runner, running, is_kept=is_kept))
                typer.echo(orjson.dumps(outcome.as_json(result)), file=stdout)
            else:
                is_alive = not (events or prompts)
                result = _shown(runner, context, deps, run_id, is_alive=is_alive, is_kept=is_kept)
        if result.status == "waiting":
            for line in how_to_answer(run_id, target, result.waiting, at):
                complain(line)
            raise typer.Exit(outcome.WAITS)


@dataclass
class _Began:
    """An observer that knows whether a run has begun: it is in its store before anybody is told of it.

    Args:
        how: how to go on with it, which is said once it has begun; None: nothing is said.
    """

    how: str | None
    is_so: bool = False

    def __call__(self, _: Record) -> None:
        """Note that it has begun."""
        if not self.is_so and self.how is not None:
            complain(self.how)
        self.is_so = True

    def say(self, became: str) -> str:
        """Return what became of the run, if there is one."""
        return became if self.is_so else "no run had begun"


async def _drained(runner: Runner[Any, Any], running: Awaitable[RunResult[Any]], *, is_kept: bool) -> RunResult[Any]:
    """Await a run, which signals leave to another process if there is a store that keeps it."""
    async with runner.draining() if is_kept else nullcontext():
        return await running


@contextmanager
def _terminated(ended: Callable[[], str]) -> Iterator[None]:
    """Turn the end of a run that SIGTERM has stopped into one line and an exit."""
    try:
        yield
    except Drained:
        complain(f"Terminated: {ended()}")
        raise typer.Exit(128 + signal.SIGTERM) from None


def _shown(
    runner: Runner[Any, Any], context: Context, deps: Any, run_id: str, *, is_alive: bool, is_kept: bool
) -> RunResult[Any]:
    """Show a run, and ask what it waits for, until it has ended or nobody answers."""
    out = console()
    path = PathWriter(out, runner.definition, is_alive=is_alive and out.is_terminal)
    result = asyncio.run(_drained(runner, _streamed(runner, context, deps, run_id, path), is_kept=is_kept))
    while result.status == "waiting":
        # not in the event loop, which would not let Ctrl-C end a wait for a line
        try:
            with interrupted("the run waits for an answer"):  # nothing was under way, so nothing has landed
                answer = answer_to(out, result.waiting[0])
        except EOFError:
            otherwise = "" if is_kept else f": {_KEEP}"
            complain(f"The run waits for an answer, and nobody is at the terminal{otherwise}")
            return result
        told = len(result.records)
        try:
            going_on = runner.resume(result.run_id, answer, question=result.waiting[0], deps=deps)
            result = asyncio.run(_drained(runner, going_on, is_kept=is_kept))
        except AnswerError as error:
            complain(str(error))
            result = asyncio.run(runner.expire(result.run_id, deps=deps))  # which does nothing unless it came too late
        if len(result.records) > told:
            out.print()
            path.write(result.records[told:])
    show_result(out, context, result, runner.definition.limits.tokens)
    return result


async def _streamed(
    runner: Runner[Any, Any], context: Context, deps: Any, run_id: str, path: PathWriter
) -> RunResult[Any]:
    async with runner.stream(context, deps=deps, run_id=run_id, text=path.is_alive) as records:
        await path.follow(records)
        return await records.result()
