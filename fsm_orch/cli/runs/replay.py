"""`fsm-orch runs replay` and `diff`: a stored run driven again, and two runs beside each other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from ... import discover
from ...define.machine import AnyMachine
from ...run.compared import Went, difference, went
from ...run.replaying import Replay
from ...run.runner import Runner
from ...store.base import Store
from .. import outcome, start
from ..answering import how_to_answer
from ..outcome import WAITS, WITHHELD, AsJson
from ..show import complain, complaints, console, interrupted
from ..stored import CodecName, RunId, StoreUrl, found, journal_of, opened, option_of
from . import differing
from .fold import folded

_Other = Annotated[
    str | None,
    typer.Option(
        "--machine",
        metavar="MODULE[:Machine]",
        help="Another version of the machine, to drive it on; MODULE is what it was run on then.",
        show_default=False,
    ),
]


def replay(
    run_id: RunId,
    target: start.Target,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    at: Annotated[
        int, typer.Option(min=1, metavar="N", help="With how many inputs of the run it begins: 1 is its start alone.")
    ] = 1,
    model: start.ModelName = None,
    other: _Other = None,
    effects: Annotated[
        bool, typer.Option("--effects", help="Let code and tools begin of which the run has recorded nothing.")
    ] = False,
    new_id: Annotated[
        str | None, typer.Option("--id", help="The id of the new run. Default: a random one.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Drive a run again, on another model or version of its machine, and show the difference hop by hop.

    It is a fork: the run itself stays as it is. Models are asked for real, and humans again. Code and tools are not
    begun: what the run has recorded of them is given instead, and where nothing is recorded driving stops.

    Exit codes: 0 the new run ended, possibly by a landing; 2 it cannot be replayed; 3 the new run waits for a human;
    4 it stopped before code or a tool, which may begin with --effects; 130 it was interrupted.
    """
    with complaints(), outcome.json_alone(as_json) as stdout:
        was = discover.machine(target, Path.cwd())
        machine = was if other is None else discover.machine(other, Path.cwd())
        with opened(store, codec) as kept, interrupted("the new run can go on: fsm-orch runs list"):
            found(kept, run_id)
            with start.dependencies(machine) as deps:
                runner = Runner[Any, Any](machine, model=start.model_of(machine, model), store=kept)
                made = asyncio.run(runner.replay_run(run_id, at=at, was=was, effects=effects, new_id=new_id, deps=deps))
        if as_json:
            typer.echo(orjson.dumps(_as_json(made), default=dict), file=stdout)
        else:
            differing.show_difference(console(), made.difference)
    if made.stopped is not None:
        complain(str(made.stopped))
        raise typer.Exit(WITHHELD)
    if made.result.status == "waiting":
        on = target if other is None else other
        for line in how_to_answer(made.result.run_id, on, made.result.waiting, option_of(store, codec)):
            complain(line)
        raise typer.Exit(WAITS)


def _as_json(made: Replay[Any]) -> dict[str, Any]:
    stopped = made.stopped
    withheld = stopped and {"state": stopped.state, "tool": stopped.tool, "fields": stopped.fields}
    return {
        "result": outcome.as_json(made.result),
        "difference": differing.as_json(made.difference),
        "withheld": withheld,
    }


def diff(
    run_id: RunId,
    other_id: Annotated[str, typer.Argument(metavar="OTHER", help="The id of the other run.", show_default=False)],
    target: start.Target,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    other: Annotated[
        str | None,
        typer.Option(
            "--machine", metavar="MODULE[:Machine]", help="What OTHER was run on, if that is another version."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show in what two runs differ, hop by hop. Nothing is claimed and nobody acts.

    Exit codes: 0 it is shown; 2 one is not known, or MODULE is not what it was started with; 130 it was interrupted.
    """
    with complaints(), outcome.json_alone(as_json) as stdout:
        was = discover.machine(target, Path.cwd())
        machine = was if other is None else discover.machine(other, Path.cwd())
        with opened(store, codec) as kept, interrupted("nothing has changed"):
            compared = difference(_went(kept, was, run_id), _went(kept, machine, other_id))
        if as_json:
            typer.echo(orjson.dumps(differing.as_json(compared), default=dict), file=stdout)
        else:
            differing.show_difference(console(), compared)


def _went(store: Store, machine: AnyMachine, run_id: str) -> Went:
    row = found(store, run_id)
    run = folded(machine.definition, row, journal_of(store, row))  # which says why it does not fold
    return went(run.compiled, run.journal)
