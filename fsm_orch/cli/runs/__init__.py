"""`fsm-orch runs`: look at stored runs, and go on with them by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from math import inf
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.text import Text

from ... import discover
from ...define.wording import number_of
from ...errors import DefinitionError
from ...kernel.codec import to_json
from ...store.base import PAGE, Store
from ...store.values import Listed, RunStatus
from .. import prompts as prompts_shown
from ..moments import seconds_of
from ..outcome import AsJson, json_alone
from ..show import CommandError, complaints, console, interrupted, name_of
from ..start import OptionalTarget
from ..stored import CodecName, RunId, StoreUrl, found, journal_of, opened
from . import by_hand, fold, fork, listed, replay, shown

app = typer.Typer(help="Look at stored runs, and go on with them by hand.", no_args_is_help=True)

_MANY = 500
"""How many runs are counted at once."""


@app.command(name="list")
def list_(
    *,
    store: StoreUrl,
    status: Annotated[RunStatus | None, typer.Option(help="Runs of this status alone.", show_default=False)] = None,
    thread: Annotated[
        str | None, typer.Option(metavar="ID", help="Runs of this conversation alone.", show_default=False)
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Runs for this tenant alone.", show_default=False)] = None,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE[:Machine]",
            help="Show the runs of these machines by name; a package has all modules below it. Repeatable.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many are shown.")] = PAGE,
    after: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on below this run, the last of the page before.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of a store, the one that began last first.

    A machine is shown by its digest, or by its name if --machine gives its module. The last column says who drives a
    run that is under way, and until when a human may answer one that waits.

    Exit codes: 0 it is listed; 2 the store cannot be read; 130 it was interrupted.
    """
    with complaints(), opened(store) as kept, interrupted("nothing has changed"):
        names = _names(machine or ())
        if after is not None:
            found(kept, after)
        listing = kept.list(status=status, thread_id=thread, tenant=tenant, limit=limit, after=after)
        rows = asyncio.run(listing)
        if as_json:
            told = [{**listed.as_json(row), "machine": names.get(row.digest)} for row in rows]
            typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
            return
        out = console()
        if not rows:
            out.print(Text("no such run", style="dim"))
            return
        listed.show_runs(out, rows, time.time(), names)
        if len(rows) == limit:
            out.print(Text(f"\nthe next page: --after {name_of(rows[-1].run_id)}", style="dim"), soft_wrap=True)


def _names(targets: Sequence[str]) -> dict[str, str]:
    """Return what machines are called, by their digests.

    Raises DefinitionError: if one does not build.
    """
    names = dict[str, str]()
    for one in discover.machines_of_all(targets, Path.cwd()).values():
        if isinstance(one, DefinitionError):
            raise one
        names[one.definition.digest] = one.definition.name
    return names


@app.command()
def show(
    run_id: RunId,
    target: OptionalTarget = None,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    at: Annotated[
        int | None, typer.Option(metavar="N", help="Show where the run stood after N inputs.", show_default=False)
    ] = None,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Show what its models were asked and answered, if a recorder kept it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run: its journal and, by its machine, its context, menu and ledger, now or after some inputs.

    Nothing is claimed and nobody acts, so a run that is under way may be looked at. Without MODULE what is stored is
    shown as it is.

    Exit codes: 0 it is shown; 2 it is not known, or MODULE is not what it was started with; 130 it was interrupted.
    """
    with complaints(), json_alone(as_json) as stdout:
        if at is not None and target is None:
            raise CommandError("--at shows what a machine makes of a run: name its MODULE too")
        with opened(store, codec) as kept, interrupted("nothing has changed"):
            run = found(kept, run_id)
            journal = journal_of(kept, run)
            prompted = asyncio.run(kept.prompts.of(run_id)) if prompts else ()
        machine = None if target is None else discover.machine(target, Path.cwd())
        folded = None if machine is None else fold.folded(machine.definition, run, journal, at=at)
        journal = journal[:at]
        if as_json:
            inputs = [orjson.Fragment(to_json(event)) for event in journal]
            told = {**listed.as_json(run), "journal": inputs, "folded": folded and folded.as_json()}
            told |= {"prompts": prompts_shown.as_json(prompted)} if prompts else {}
            typer.echo(orjson.dumps(told, default=dict), file=stdout)
            return
        out = console()
        shown.show_stored(out, run, time.time())
        shown.show_journal(out, journal, () if folded is None else folded.steps)
        if folded is not None:
            shown.show_fold(out, folded)
        if prompts:
            prompts_shown.show_prompts(out, prompted)


@app.command()
def prune(
    *,
    store: StoreUrl,
    older_than: Annotated[
        str, typer.Option(metavar="SPAN", help="How long ago a run was last stored, such as 30d, 12h or 2w.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget runs that have finished, with all that was stored for them. What threads have spent is not forgotten.

    A run of a thread stays while one that began after it is open, which may go on with what was said in it.

    Exit codes: 0 they are forgotten; 2 the store cannot do it; 130 it was interrupted: some are forgotten.
    """
    with complaints(), opened(store) as kept, interrupted("some runs may be forgotten"):
        before = time.time() - seconds_of(older_than)
        count = asyncio.run(_ended(kept, before) if dry_run else kept.prune(ended_before=before))
    if as_json:
        typer.echo(orjson.dumps({"runs": count, "is_dry_run": dry_run}))
    else:
        typer.echo(f"{'would forget' if dry_run else 'forgot'} {number_of(count, 'run')}")


async def _ended(kept: Store, before: float) -> int:
    """Return how many runs `prune` would forget, which says what it keeps."""
    last_open = dict[str | None, float]()
    for status in ("running", "waiting"):
        async for run in _all(kept, status):
            last_open[run.thread_id] = max(run.began_at, last_open.get(run.thread_id, -inf))
    last_open.pop(None, None)  # which is no thread
    count = 0
    async for run in _all(kept, "finished"):
        is_old = run.began_at < before and run.stored_at < before
        count += is_old and run.began_at > last_open.get(run.thread_id, -inf)
    return count


async def _all(kept: Store, status: RunStatus) -> AsyncIterator[Listed]:
    """Yield all runs of a status, the one that began last first."""
    last = None
    while page := await kept.list(status=status, after=last, limit=_MANY):
        for run in page:
            yield run
        last = page[-1].run_id


app.command(name="fork")(fork.fork_)
app.command()(by_hand.resume)
app.command()(by_hand.answer)
app.command()(by_hand.land)
app.command()(replay.replay)
app.command()(replay.diff)
