"""`fsm-orch triage misroutes`: handoffs that were wrong, by labels, or probably were, by what happened next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from ...define.definition import Definition
from ...define.wording import number_of
from ...evaluate.routes import Rates, RouteVerdict, verdict
from ...observe.triage import misroutes as doubting
from ...observe.triage.misroutes import Misroutes
from ...observe.triage.runs import Run
from ...observe.triage.shares import Interval, wilson
from .. import tables
from ..outcome import AsJson
from ..show import CommandError, columns, console, name_of, place
from .source import Codec, Logs, Machines, Since, Store, Top, interval, print_json, show_read, some, source

_RATES = ("accuracy", "misroute", "false_fallback", "leak")


def misroutes(
    logs: Logs = None,
    *,
    store: Store = None,
    codec: Codec = None,
    machine: Machines = None,
    since: Since = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="A file with the columns run and state: where each run should have gone; any other word means to none "
            "of these states.",
            show_default=False,
        ),
    ] = None,
    top: Top = 10,
    as_json: AsJson = False,
) -> None:
    """Show which handoffs are wrong most often, and how sure that is.

    With --labels it is known: these are the figures of `fsm-orch eval`. Without, a handoff is doubted if its target
    handed right back, or if the run was landed from there. Intervals are Wilson's, of 95 %; first comes what has the
    highest lower bound.

    Exit codes: 0 shown; 2 nothing could be read, or no labelled run is in it; 130 interrupted.
    """
    with source(logs, store, codec, machine, since) as read:
        if labels is None:
            found = doubting.misroutes(read.runs(), read.known)
            some(read)
            if as_json:
                print_json(found, read)
                return
            out = console()
            _show_doubted(out, found, top)
        else:
            judged = _judged(read.runs(), _labels(labels), read.known)
            some(read)
            if not judged.rates["accuracy"].of:
                raise CommandError(f"{labels} labels none of the {number_of(read.tally.runs, 'run')} that were read")
            if as_json:
                print_json(judged, read)
                return
            out = console()
            _show_judged(out, judged, top)
        show_read(out, read)


class Wrong(Struct, frozen=True):
    """Where runs went that should have gone elsewhere."""

    expected: str
    reached: str
    share: Interval
    """Of the runs with this expectation."""
    example: str


class Judged(Struct, frozen=True):
    """How well runs were routed whose right states are known."""

    rates: dict[str, Interval]
    wrong: tuple[Wrong, ...]
    strange: tuple[str, ...]
    """Labels that no run has entered, where no machine says whether they are states: they are taken for none."""


def _labels(file: Path) -> dict[str, str]:
    """Return the states that runs should have reached, by their ids.

    Raises CommandError: if the file cannot be read, lacks a column, or says two states of one run.
    """
    found = dict[str, str]()
    columns, rows = tables.rows(file)
    if missing := {"run", "state"} - {*columns}:
        raise CommandError(f"{file} has no column {' and no column '.join(sorted(missing))}")
    for row in rows:
        run, state = row["run"], row["state"] or ""
        if run and found.setdefault(run, state) != state:
            raise CommandError(
                f"{file} says of run {run!r} that it belongs to {found[run]!r} and to {state!r}: leave one row"
            )
    return found


def _judged(runs: Iterable[Run], labels: Mapping[str, str], known: Mapping[str, Definition]) -> Judged:
    """Return how well the labelled runs were routed.

    A word is a label if it is a state of a machine that is known, or if some run entered it: a log does not hold the
    states of a machine.
    """
    states = {name for each in known.values() for name in (*each.states, *each.finals)}
    routed = list[tuple[Run, str]]()
    words = frozenset(labels.values())
    for run in runs:
        if not run.is_inside:
            states |= words & {run.state, *(hop.source for hop in run.path)}
            if run.run_id in labels:
                routed.append((run, labels[run.run_id]))
    expected_ones = frozenset(label for _, label in routed)
    names = expected_ones & states
    strange = () if known else tuple(sorted(expected_ones - names - {""}))
    went = Counter[tuple[str, str]]()
    examples = dict[tuple[str, str], str]()
    for run, expected in routed:
        pair = expected, doubting.reached(run, names)
        went[pair] += 1
        examples[pair] = min(examples.get(pair, run.run_id), run.run_id)
    verdicts = Counter[RouteVerdict]()
    for (expected, reached), count in went.items():
        verdicts[verdict(expected, reached, names)] += count
    rates = Rates.of(verdicts, sum(expected in names for _, expected in routed))
    of = Counter(expected for _, expected in routed)
    wrong = [
        Wrong(*pair, wilson(count, of[pair[0]]), examples[pair])
        for pair, count in went.items()
        if verdict(*pair, names) != "right"
    ]
    wrong.sort(key=lambda each: (-each.share.low, each.expected, each.reached))
    shares: dict[str, Any] = {name: getattr(rates, name) for name in _RATES}
    return Judged({name: wilson(share.count, share.of) for name, share in shares.items()}, tuple(wrong), strange)


def _show_doubted(out: Console, found: Misroutes, top: int) -> None:
    whole = found.doubted
    told = f"{whole.count:,} of {number_of(whole.of, 'handoff')} are doubted: {interval(whole)}"
    out.print(Text(told if whole.of else "no handoff", style="bold"))
    if not found.handoffs:
        if whole.of:
            out.print(
                Text(
                    "A wrong handoff that nobody hands back is not seen: tell by --labels FILE.csv where runs belong."
                ),
                soft_wrap=True,
            )
        return
    out.print()
    table = columns()
    for heading in ("  doubted", "of", "share [95 %]", "back", "landed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("handoff", "e.g. run"):
        table.add_column(heading, overflow="fold")
    for each in found.handoffs[:top]:
        where = f"  {place(each.where)}" if each.where else ""
        way = f"{each.source} -{each.handoff}-> {each.target}{where}"
        share = each.doubted
        numbers = (f"{share.count:,}", f"{share.of:,}", interval(share), f"{each.back:,}", f"{each.landed:,}")
        table.add_row(*numbers, Text(name_of(way)), Text(name_of(each.example), style="bold"))
    out.print(table)


def _show_judged(out: Console, judged: Judged, top: int) -> None:
    for name, share in judged.rates.items():
        told = interval(share) if share.of else "-"
        label = Text(f"{name.replace('_', ' '):<16}", style="dim")
        out.print(
            label.append(f"{told:>22}", "not dim bold").append(f"  {share.count:,} of {share.of:,}", "not bold dim")
        )
    if judged.strange:
        out.print(
            Text(
                f"\nno run entered {', '.join(map(name_of, judged.strange))}: taken for no state of the machine. "
                "--machine MODULE tells whether it is one",
                style="yellow",
            ),
            soft_wrap=True,
        )
    if not judged.wrong:
        return
    out.print()
    table = columns()
    for heading in ("  wrong", "of", "share [95 %]"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("should be", "went to", "e.g. run"):
        table.add_column(heading, overflow="fold")
    for each in judged.wrong[:top]:
        numbers = (f"{each.share.count:,}", f"{each.share.of:,}", interval(each.share))
        names = (Text(name_of(name)) for name in (each.expected, each.reached))
        table.add_row(*numbers, *names, Text(name_of(each.example), style="bold"))
    out.print(table)
