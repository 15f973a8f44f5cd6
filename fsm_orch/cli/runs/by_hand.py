"""`fsm-orch runs resume`, `answer` and `land`: a stored run goes on, or ends, by hand."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable
from typing import Annotated

import orjson
import typer
from rich.text import Text

from ...errors import Withheld
from .. import outcome, start
from ..outcome import WAITS, WITHHELD, AsJson
from ..show import CommandError, complain, complaints, console, interrupted, name_of
from ..start import OptionalTarget
from ..stored import CodecName, RunId, StoreUrl, found, opened, option_of
from . import listed
from .go_on import GoingOn, Result, going_on

Who = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who does so; kept in the journal. Default: your user name.", show_default=False),
]


def resume(
    run_id: RunId,
    target: start.Target,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    model: start.ModelName = None,
    effects: Annotated[
        bool,
        typer.Option("--effects", help="Of a fork: let code and tools begin of which its runs have recorded nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a run whose process ended, and show it as it happens.

    Models are asked again, and calls that were cut off are charged in full. Code and tools that were at work are done
    again if they are repeatable, and else have failed. Questions whose time is over expire. The lease of a worker that
    has died is waited for.

    Exit codes: 0 the run ended, possibly by a landing; 2 it cannot go on, or another worker drives it; 3 it waits for a
    human; 4 it is a fork, and stopped before what may begin with --effects alone; 130 it was interrupted, and a line
    says whether it has landed.
    """
    _go_on(run_id, target, (store, codec), model, lambda run: run.resume(effects=effects), as_json=as_json)


def answer(
    run_id: RunId,
    target: start.Target,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="ANSWER",
            help="The value of the form's only field, such as yes, or a JSON object of its fields; without it the "
            "question is asked here.",
            show_default=False,
        ),
    ] = None,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    question: Annotated[
        str | None, typer.Option(metavar="KEY", help="Which question is answered, if there are several.")
    ] = None,
    who: Who = None,
    model: start.ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Answer what a run asks, and go on with it. An answer that does not fit is refused, and nothing has changed.

    Whoever drives a run that is at work beside its question finds the answer in its inbox.

    Exit codes: 0 the run ended, possibly by a landing, or its worker has the answer; 2 it takes no such answer; 3 it
    waits for a human; 130 it was interrupted, and a line says whether it has landed.
    """
    if as_json and text is None:
        raise typer.BadParameter("--json asks nobody: give the ANSWER", param_hint="ANSWER")
    by = who or user_name()
    _go_on(run_id, target, (store, codec), model, lambda run: run.answer(question, text, by), as_json=as_json)


def land(
    run_id: RunId,
    target: OptionalTarget = None,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    who: Who = None,
    model: start.ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Land a run: it ends in its fallback, with the default answer.

    Whoever drives it is asked to. If nobody does, it is landed here with its MODULE, and else by whoever goes on with
    it.

    Exit codes: 0 it was landed, or is asked to be; 2 it has ended, or is not known; 130 it was interrupted.
    """
    with complaints(), opened(store) as kept, interrupted("nothing has changed"):
        is_open = asyncio.run(kept.ask_cancel(run_id, who=who or user_name()))
        run = found(kept, run_id)
        if not is_open:
            raise CommandError(f"run {run_id!r} has ended in {run.head.state!r}: there is nothing to land")
    if target is not None and not run.is_driven:
        _go_on(run_id, target, (store, codec), model, GoingOn.resume, as_json=as_json)
    elif as_json:
        typer.echo(orjson.dumps(listed.as_json(run)))
    else:
        by = (
            "its worker lands it within seconds"
            if run.is_driven
            else "nobody drives it. To land it now, name its module: "
            f"fsm-orch runs land {name_of(run_id)} MODULE {option_of(store, codec)}"
        )
        console().print(Text(f"asked to land: {by}"), soft_wrap=True)


def _go_on(
    run_id: str,
    target: str,
    store: tuple[str, str | None],
    model: str | None,
    how: Callable[[GoingOn], Result | None],
    *,
    as_json: bool,
) -> None:
    """Go on with a run, and show where it comes to.

    Args:
        store: its URL, and what makes its codec.
    """
    with complaints(), outcome.json_alone(as_json) as stdout:
        out = console(stderr=as_json)
        with going_on(out, store, run_id, target, model=model, is_shown=not as_json) as run:
            try:
                result = how(run)
            except EOFError:
                complain("The run waits for an answer, and nobody is at the terminal: give it after the machine")
                raise typer.Exit(WAITS) from None
            except Withheld as stopped:
                complain(str(stopped))
                raise typer.Exit(WITHHELD) from None
            if as_json:
                told = listed.as_json(found(run.store, run_id)) if result is None else outcome.as_json(result)
                typer.echo(orjson.dumps(told), file=stdout)
            else:
                run.show(result)
    if result is not None and result.status == "waiting":
        raise typer.Exit(WAITS)


def user_name() -> str | None:
    """Return who is at the terminal; None if nobody knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None
