"""`fsm-orch runs fork`: another run of the beginning of a stored one, which nobody drives until it is asked for."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from ... import discover
from ...kernel.tree import levels
from ...run.fork import Edits, fork
from ...run.forking import keep
from ...run.ids import random_id
from .. import start
from ..ask import read
from ..outcome import AsJson, json_alone
from ..show import CommandError, complaints, console, interrupted, name_of
from ..stored import CodecName, RunId, StoreUrl, found, journal_of, opened, option_of
from . import listed
from .fold import Folded, folded


def fork_(
    run_id: RunId,
    target: start.Target,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    at: Annotated[int, typer.Option(metavar="N", help="How many of its inputs are kept; `runs show` counts them.")],
    handoff: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the agent of the last of them proposes instead.", show_default=False),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="What it writes instead: a text, or JSON. May be repeated."),
    ] = None,
    new_id: Annotated[
        str | None,
        typer.Option("--id", metavar="NEW", help="Names the fork. Default: a random one.", show_default=False),
    ] = None,
    effects: Annotated[
        bool, typer.Option("--effects", help="Let it do again what has an effect and no recorded reply.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a run that begins as another did, up to its Nth input, with the reply of that input changed if you say so.

    Nobody drives it until `fsm-orch runs resume`. What was paid up to the cut is not paid again. The run that is forked
    stays as it is, and may be under way.

    Exit codes: 0 it is stored; 2 it cannot be made there, and a line says where it can; 130 it was interrupted.
    """
    with complaints(), json_alone(as_json) as stdout:
        machine = discover.machine(target, Path.cwd())
        with opened(store, codec) as kept, interrupted("the fork may be stored"):
            run = found(kept, run_id)
            before = folded(machine.definition, run, journal_of(kept, run))
            made = fork(
                *(before.compiled, before.journal),
                at=at,
                edits=Edits(handoff, _values(before, at, sets or ())),
                run_id=new_id or random_id(),
                effects=effects,
                now_s=time.time(),
            )
            asyncio.run(keep(kept, before.compiled, made))
            row = found(kept, made.run_id)
        if as_json:
            told = {**listed.as_json(row), "machine": machine.definition.name}  # as `runs list` names it
            typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2), file=stdout)
            return
        out = console()
        out.print(Text("forked ", style="dim").append(name_of(made.run_id), style="not dim bold"), soft_wrap=True)
        out.print(
            Text(f"  {listed.fork_of(row)}; it stands in {row.head.state}, {row.head.status}", style="dim"),
            soft_wrap=True,
        )
        if row.head.status != "finished":
            command = f"fsm-orch runs resume {name_of(made.run_id)} {shlex.quote(target)} {option_of(store, codec)}"
            out.print(Text(f"Nobody drives it. To go on: {command}", style="dim"), soft_wrap=True)


def _values(run: Folded, at: int, said: Sequence[str]) -> dict[str, Any]:
    """Return values by field, read by the context of the machine whose reply is changed.

    Raises CommandError: if one is not FIELD=VALUE, or a field has two.
    """
    machine = run.compiled
    if 1 < at <= len(run.journal):
        machine = levels(machine, run.steps[at - 2], run.journal[at - 1].path)[-1].compiled
    schema = machine.definition.context.model_json_schema(by_alias=False)
    values = [_value(schema, each) for each in said]
    names = [name for name, _ in values]
    if twice := [name for name in names if names.count(name) > 1]:
        raise CommandError(f"--set gives {twice[0]!r} two values: say it once")
    return dict(values)


def _value(schema: Mapping[str, Any], said: str) -> tuple[str, Any]:
    """Return a field and its value.

    Raises CommandError: if it is not FIELD=VALUE.
    """
    name, equals, text = said.partition("=")
    if not equals:
        raise CommandError(f"--set takes FIELD=VALUE, such as answer=Later, not {said!r}")
    return name, read(text, schema["properties"].get(name, {}), schema)
