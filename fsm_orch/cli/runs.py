"""`fsm-orch runs`: look at stored runs, and go on with them by hand."""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import Annotated

import orjson
import typer
from rich.text import Text

from ..store.base import PAGE
from . import runs_list
from .show import complaints, console, interrupted, safe
from .stored import StoreUrl, found, opened

app = typer.Typer(help="Look at stored runs, and go on with them by hand.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


class Status(StrEnum):
    """What a run is at."""

    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"


@app.callback()
def main() -> None:
    """Look at stored runs, and go on with them by hand."""


@app.command(name="list")
def list_(
    *,
    store: StoreUrl,
    status: Annotated[Status | None, typer.Option(help="Runs of this status alone.", show_default=False)] = None,
    thread: Annotated[
        str | None, typer.Option(metavar="ID", help="Runs of this conversation alone.", show_default=False)
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Runs for this tenant alone.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many are shown.")] = PAGE,
    after: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on below this run, the last of the page before.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of a store, the one that began last first.

    The last column says who drives a run that is under way, and until when a human may answer one that waits.

    Exit codes: 0 it is listed; 2 the store cannot be read; 130 it was interrupted.
    """
    with complaints(), opened(store) as kept, interrupted("nothing has changed"):
        if after is not None:
            found(kept, after)
        wanted = None if status is None else status.value
        listing = kept.list(status=wanted, thread_id=thread, tenant=tenant, limit=limit, after=after)
        rows = asyncio.run(listing)
        if as_json:
            typer.echo(orjson.dumps([runs_list.as_json(row) for row in rows], option=orjson.OPT_INDENT_2))
            return
        out = console()
        if not rows:
            out.print(Text("no such run", style="dim"))
            return
        runs_list.show_runs(out, rows, time.time())
        if len(rows) == limit:
            out.print(Text(f"\nthe next page: --after {safe(rows[-1].run_id)}", style="dim"), soft_wrap=True)
