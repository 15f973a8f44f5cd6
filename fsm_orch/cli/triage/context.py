"""`fsm-orch triage context`: what a run passed on at each handoff; values only from a store, and if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ...define.changes import shown
from ...define.wording import number_of
from ...messages import REDACTED
from ...observe.triage.passed import Moment, Passed, passed
from ...run.result import cut
from ..outcome import AsJson
from ..runs.fold import folded
from ..show import CommandError, console, hanging, name_of, safe
from ..stored import found, journal_of, opened
from .source import Codec, Logs, Machines, Source, Store, print_json, show_read, some, source

Values = Mapping[int, Mapping[str, Any]]
"""By the number of a hop: the context after it."""
_WITHHELD = "(redacted)"


def context(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning.", show_default=False)
    ],
    logs: Logs = None,
    *,
    store: Store = None,
    codec: Codec = None,
    machine: Machines = None,
    values: Annotated[
        bool, typer.Option("--values", help="Show the values of fields too, which only a store holds.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a run passed on at each handoff: which fields were written, how many messages, and what was left.

    With --machine it says what the next agent reads, and which state wrote it. A log holds names alone. With
    --store and --values the journal is folded, and values are shown, except those that were redacted.

    Exit codes: 0 shown; 2 the run is not there, or nothing could be read; 130 interrupted.
    """
    with source(logs, store, codec, machine, None) as read:
        if values and logs:
            raise CommandError("--values needs --store URL instead of a log: a log holds no values")
        run = _one(passed(read.lines(), run_id, read.known), run_id, read)
        after = _values(read, run.run_id) if values else {}
        if as_json:
            print_json(run, read, **({"values": {str(hops): held for hops, held in after.items()}} if values else {}))
            return
        out = console()
        name = f" of {name_of(run.machine)}" if run.machine else ""
        out.print(Text(name_of(run.run_id), style="bold").append(name, style="not bold"), soft_wrap=True)
        for moment in run.moments:
            _show(out, moment, after)
        if run.is_cut:
            out.print(Text("there is more, which is not shown", style="dim"))
        show_read(out, read)


def _one(runs: list[Passed], run_id: str, read: Source) -> Passed:
    """Return the one run that was meant.

    Raises CommandError: if there is none, or several.
    """
    some(read)
    if not runs:
        raise CommandError(f"no run's id begins with {run_id!r} in {read.spelling}")
    if len(runs) > 1:
        ids = ", ".join(name_of(run.run_id) for run in runs[:5])
        raise CommandError(f"{len(runs)} runs or more begin with {run_id!r}: {ids}. Give more of the id")
    return runs[0]


def _values(read: Source, run_id: str) -> Values:
    """Return the context of a stored run after each of its hops."""
    with opened(read.store or "", read.codec) as kept:
        run = found(kept, run_id)
        steps = folded(read.known[run.digest], run, journal_of(kept, run)).steps
    after = dict[int, Mapping[str, Any]]()
    for now in steps:
        after.setdefault(now.hops, {name: _told(value) for name, value in shown(now.context).items()})
    return after


def _told(value: Any) -> Any:
    return _WITHHELD if value == REDACTED else value


def _show(out: Console, moment: Moment, after: Values) -> None:
    inside = f"[{moment.place}] " if moment.place else ""
    when = Text(f"  {moment.seconds:8.2f} s  ", style="dim")
    if moment.kind == "handed_off":
        title = f"{inside}{moment.source} -{moment.handoff}-> {moment.target}"
    elif moment.kind == "landed":
        title = f"{inside}{moment.source} -landing-> {moment.target}: {moment.reason}"
    else:
        what = f" {moment.handoff}" if moment.handoff else ""
        title = f"{inside}{moment.source}: {moment.kind.replace('_', ' ')}{what}: {moment.reason}"
    is_hop = moment.kind in ("handed_off", "landed")
    out.print(when.append(name_of(title), style="not dim bold" if is_hop else "not dim yellow"), soft_wrap=True)
    if not is_hop:
        return
    lines = [
        ("wrote", ", ".join(moment.written) or "nothing"),
        ("carries", ", ".join(moment.carried) or "only what the run was given"),
    ]
    if moment.reads is not None:
        reads = (f"{name} ({f'by {writer}' if writer else 'as given'})" for name, writer in moment.reads.items())
        lines.append(("reads", ", ".join(reads) or "nothing"))
    lines.append(("left", f"{moment.remaining:,} tokens; {number_of(moment.messages, 'message')} with it"))
    held = {} if moment.place else after.get(moment.hops, {})
    lines += [
        ("value" if place == 0 else "", f"{name}: {cut(str(value))}")
        for place, (name, value) in enumerate(held.items())
    ]
    for label, text in lines:
        out.print(hanging(out, f"              {label:<9}", safe(text)))
