"""`fsm-orch run`: run a machine once, and show the run as it happens."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic_core import to_jsonable_python

from .. import discover
from ..define.changes import shown
from ..define.context import Context
from ..errors import AnswerError
from ..observe.log import log_records
from ..run.result import RunResult
from ..run.runner import Runner
from ..store.memory import MemoryStore
from . import start
from .ask import answer_to
from .logs import json_logger
from .path import PathWriter, show_result
from .prompts import prompt_writer
from .show import complain, complaints, console, interrupted

WAITS = 3
"""The exit code of a run that waits for a human."""


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
    prompts: Annotated[
        bool, typer.Option("--show-prompts", help="Write to stderr what each model is asked and answers.")
    ] = False,
) -> None:
    """Run a machine once and show its path.

    A machine with dependencies, such as Machine[Ticket, Shop], gets them from the function deps() of its module. That
    returns the dependencies, or a context manager that opens them before the run and closes them afterwards.

    Where the run waits for a human, the question is asked here, and asked again while the answer does not fit. With
    --json, or if nobody is at the terminal, it is printed instead, and the run is left.

    Exit codes: 0 the run ended, possibly by a landing (see "landing" in --json); 2 it could not start; 3 it waits for a
    human; 130 it was interrupted: it has landed, unless it waits for a human.
    """
    stdout = sys.stdout  # with --json for the object alone: what the user's module prints goes to stderr
    with complaints(), redirect_stdout(sys.stderr) if as_json else nullcontext():
        machine = discover.machine(target, Path.cwd())
        context = start.context(machine.definition.context, text, fields)
        runner = Runner[Any, Any](
            machine,
            model=start.model_of(machine, model),
            observers=[log_records(json_logger())] if events else [],
            on_prompt=prompt_writer(console(stderr=True)) if prompts else None,
            store=MemoryStore(),
        )
        with start.dependencies(machine) as deps, interrupted("the run was landed"):
            if as_json:
                result = asyncio.run(runner.run(context, deps=deps))
                typer.echo(orjson.dumps(_as_json(result)), file=stdout)
            else:
                result = _shown(runner, context, deps, is_alive=not (events or prompts))
        if result.status == "waiting":
            raise typer.Exit(WAITS)


def _shown(runner: Runner[Any, Any], context: Context, deps: Any, *, is_alive: bool) -> RunResult[Any]:
    """Show a run, and ask what it waits for, until it has ended or nobody answers."""
    out = console()
    path = PathWriter(out, runner.definition, is_alive=is_alive and out.is_terminal)
    result = asyncio.run(_streamed(runner, context, deps, path))
    while result.status == "waiting":
        # not in the event loop, which would not let Ctrl-C end a wait for a line
        try:
            with interrupted("the run waits for an answer"):  # nothing was under way, so nothing has landed
                answer = answer_to(out, result.waiting[0])
        except EOFError:
            complain("The run waits for an answer, and nobody is at the terminal")
            return result
        told = len(result.records)
        try:
            result = asyncio.run(runner.resume(result.run_id, answer, question=result.waiting[0], deps=deps))
        except AnswerError as error:
            complain(str(error))
            result = asyncio.run(runner.expire(result.run_id, deps=deps))  # which does nothing unless it came too late
        if len(result.records) > told:
            out.print()
            path.write(result.records[told:])
    show_result(out, context, result, runner.definition.limits.tokens)
    return result


async def _streamed(runner: Runner[Any, Any], context: Context, deps: Any, path: PathWriter) -> RunResult[Any]:
    async with runner.stream(context, deps=deps, text=path.is_alive) as records:
        await path.follow(records)
        return await records.result()


def _as_json(result: RunResult[Any]) -> dict[str, Any]:
    return {
        "run_id": result.run_id,
        "status": result.status,
        "state": result.state.name,
        "landing": result.landing._asdict() if result.landing else None,
        "waiting": [to_jsonable_python(vars(question)) for question in result.waiting],
        "context": shown(result.context),
        "path": [hop._asdict() for hop in result.path],
        "usage": {
            "requests": result.usage.requests,
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
        },
        "charged_tokens": result.charged_tokens,
        "cost_usd": None if result.cost_usd is None else float(result.cost_usd),
        "seconds": result.seconds,
    }
