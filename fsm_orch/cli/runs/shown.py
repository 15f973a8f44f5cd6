"""The page that `fsm-orch runs show` prints: what is stored of a run, and what its machine makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...amounts import padded_dollars
from ...define.changes import shown
from ...define.wording import number_of
from ...kernel.configuration import Configuration
from ...kernel.inputs import Input
from ...kernel.legal import menu
from ...run.closed import why_closed
from ...run.result import landing_of
from ...run.used_tools import tools_in_words
from ...store.values import Listed
from ..moments import moment, span, until
from ..show import columns, hanging, name_of, safe
from .fold import Folded
from .listed import fork_of, standing
from .said import said

_LABEL = 10
_Lines = Iterator[tuple[str, str]]


def show_stored(out: Console, run: Listed, now_s: float) -> None:
    """Print what a store knows of a run beside its journal."""
    out.print(Text("run ", style="dim").append(name_of(run.run_id), style="not dim bold"), soft_wrap=True)
    _print(out, _stored(run, now_s))


def _stored(run: Listed, now_s: float) -> _Lines:
    head, who = run.head, standing(run, now_s)
    yield "stands", f"in {head.state}, {head.status}{f': {who}' if who else ''}"
    yield "used", f"{number_of(head.hops, 'hop')}, {head.tokens:,} tokens"
    began, last = span(now_s - run.began_at), span(now_s - run.stored_at)
    yield "began", f"{moment(run.began_at)} ({began} ago), last stored {last} ago"
    yield "machine", f"digest {run.digest[:12]}"
    for to in run.rebound:
        names = [f"{was} → {now}" for kind in (to.renames.states, to.renames.handoffs) for was, now in kind.items()]
        told = f"from {to.was[:12]} to {to.digest[:12]} on {moment(to.at)}, after {number_of(to.inputs, 'input')}"
        yield "rebound", "; ".join([told, *names])
    if run.thread_id is not None:
        yield "thread", run.thread_id
    if run.tenant is not None:
        yield "tenant", run.tenant
    if run.origin is not None:
        yield "fork", fork_of(run).removeprefix("fork ")
        yield "edits", ", ".join(run.origin.edits) or "none"
        is_open = run.origin.effects
        yield "effects", "may be had again" if is_open else "only what has a recorded reply, or resume --effects begins"


def show_journal(out: Console, journal: Sequence[Input], steps: Sequence[Configuration]) -> None:
    """Print a line for each input.

    Args:
        steps: where the run stands after each; empty if its machine is not known.
    """
    table = columns()
    for heading in ("  #", "s"):
        table.add_column(heading, justify="right")
    table.add_column("input", no_wrap=True)
    if steps:
        table.add_column("state", no_wrap=True)
        for heading in ("hops", "settled", "reserved"):
            table.add_column(heading, justify="right")
    table.add_column("")
    for number, event in enumerate(journal, start=1):
        inside = "· " * len(event.path)
        table.add_row(
            Text(f"{number}", style="dim"),
            f"{event.at:.2f}",
            Text(f"{inside}{event.__struct_config__.tag}", style="bold"),
            *(_after(steps[number - 1]) if steps else ()),
            Text(safe(said(event)), style="dim"),
        )
    out.print()
    out.print(table)


def _after(now: Configuration) -> tuple[str, ...]:
    ledger = now.ledger
    return now.state, f"{now.hops}", f"{ledger.settled.tokens:,}", f"{ledger.reserved.tokens:,}"


def show_fold(out: Console, run: Folded) -> None:
    """Print what a machine makes of its run: path, context, menu, ledger, and what is due."""
    out.print()
    out.print(
        Text(run.compiled.definition.name, style="bold").append(
            f" after {number_of(len(run.steps), 'input')}", style="not bold dim"
        )
    )
    _print(out, _path(run))
    out.print()
    _print(out, _context(run.now))
    if run.now.status == "running":
        out.print()
        out.print(_menu(run))
    out.print()
    _print(out, [*_ledger(run.now), *_waits(run)])


def _path(run: Folded) -> _Lines:
    landing = landing_of(run.records)
    for place, hop in enumerate(run.path):
        why = f"  ({landing.reason}: {landing.detail})" if hop.handoff is None and landing is not None else ""
        yield "" if place else "path", f"{hop}{why}"
    if closed := why_closed(run.compiled, run.now, run.records):
        yield "", f"closed: {'; '.join(closed)}"
    if landing is not None and (used := tools_in_words(run.records)):
        yield "", f"used before: {used}"


def _context(now: Configuration) -> _Lines:
    for place, (name, value) in enumerate(shown(now.context).items()):
        yield "" if place else "context", f"{name}: {value}"


def _menu(run: Folded) -> Table:
    table = columns()
    for heading in ("  menu", "leads to", "legal now"):
        table.add_column(heading)
    for handoff, against in menu(run.compiled, run.now):
        legal = Text("yes", style="green") if against is None else Text(f"no: {safe(against.detail)}", style="yellow")
        table.add_row(f"  {handoff.name}", handoff.target.name, legal)
    return table


def _ledger(now: Configuration) -> _Lines:
    limit, settled, reserved = now.ledger.limit, now.ledger.settled, now.ledger.reserved
    left = f"{now.ledger.remaining:,} left of {limit.tokens:,}"
    yield "tokens", f"{settled.tokens:,} settled, {reserved.tokens:,} reserved, {left}"
    if limit.cost is not None or settled.cost or reserved.cost:
        of = "no limit" if limit.cost is None else f"limit {padded_dollars(limit.cost)}"
        yield "cost", f"{padded_dollars(settled.cost)} settled, {padded_dollars(reserved.cost)} reserved, {of}"


def _waits(run: Folded) -> _Lines:
    for question in run.waiting:
        yield "waits for", f"{question.text}  ({question.key}{until(question.expires_at)})"
    for owed in run.due:
        yield "due", owed
    yield "cuts", ", ".join(f"{cut.at} ({cut.state})" for cut in run.cuts)


def _print(out: Console, lines: _Lines | Sequence[tuple[str, str]]) -> None:
    for label, text in lines:
        out.print(hanging(out, f"  {label:<{_LABEL}}", text))
