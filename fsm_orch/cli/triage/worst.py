"""`fsm-orch triage worst`: the dearest runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from ...amounts import padded_dollars
from ...define.wording import number_of
from ...observe.triage import worst as dear
from ...observe.triage.worst import By, Dear
from ..outcome import AsJson
from ..show import columns, console, hanging, name_of
from .source import Codec, Logs, Machines, Since, Store, Top, print_json, show_read, some, source


def worst(
    logs: Logs = None,
    *,
    store: Store = None,
    codec: Codec = None,
    machine: Machines = None,
    since: Since = None,
    by: Annotated[By, typer.Option(help="What runs are compared by.")] = "tokens",
    top: Top = 10,
    as_json: AsJson = False,
) -> None:
    """Show the runs that took most tokens, dollars, hops or seconds, with their paths.

    Exit codes: 0 shown; 2 nothing could be read; 130 interrupted.
    """
    with source(logs, store, codec, machine, since) as read:
        found = dear.worst(read.runs(), top=top, by=by)
        some(read)
        if as_json:
            print_json(found, read)
            return
        out = console()
        mean = f", {found.tokens // found.runs:,} a run" if found.runs else ""
        cost = f", {padded_dollars(found.micro_dollars)}" if found.micro_dollars else ""
        head = f"{number_of(found.runs, 'run')}: {found.tokens:,} tokens{mean}, {number_of(found.calls, 'call')}{cost}"
        out.print(Text(head, style="bold"))
        out.print()
        table = columns()
        for heading in ("  tokens", "dollars", "calls", "hops", "seconds"):
            table.add_column(heading, justify="right", no_wrap=True)
        for heading in ("ended", "run"):
            table.add_column(heading, overflow="fold")
        for run in found.dearest:
            dollars = padded_dollars(run.micro_dollars) if run.micro_dollars else "-"
            numbers = (f"{run.tokens:,}", dollars, f"{run.calls:,}", f"{run.hops:,}", f"{run.seconds:.2f}")
            table.add_row(*numbers, name_of(_end(run)), Text(name_of(run.run_id), style="bold"))
        out.print(table)
        out.print()
        for run in found.dearest:
            out.print(hanging(out, f"  {name_of(run.run_id)}  ", name_of("; ".join(run.path)) or "no hop yet"))
        show_read(out, read)


def _end(run: Dear) -> str:
    if not run.has_ended:
        return f"stands in {run.state}"
    return f"{run.state} ({run.landing})" if run.landing else run.state
